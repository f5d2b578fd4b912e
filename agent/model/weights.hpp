// What the annotation naru.io/weight of an EndpointSlice says of its endpoints: "10.0.0.1=3,10.0.0.2=0,*=2".
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "address.hpp"

namespace naru {

/// Longer annotations are not looked at: 1000 endpoints, which is what a slice may have, fit.
inline constexpr std::size_t longest_weights = 64 << 10;

class Weights {
public:
    /// Pairs of address and weight (0 to 65535), separated by commas or blanks; "*" is everybody who is not
    /// named. An error names what cannot be read; then none of it holds.
    static std::expected<Weights, std::string> parse(std::string_view text);

    std::uint16_t of(const Address& address) const; ///< 1 where nothing is said

private:
    std::vector<std::pair<Address, std::uint16_t>> named_; ///< sorted
    std::uint16_t others_ = 1;
};

} // namespace naru
