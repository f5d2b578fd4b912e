// Which addresses serve UDP Services. Counted as sets change, so that the cost of a change follows its own
// size.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "tables.hpp"

namespace naru {

class UdpBackends {
public:
    UdpBackends() = default;
    explicit UdpBackends(const Tables& installed);

    bool serves(const SocketAddress& at) const { return sets_.contains(at); }

    /// The backends of one UDP service were `before` and are `after`; empty: it did not exist, or does no
    /// more.
    void replace(std::span<const Backend> before, std::span<const Backend> after);

    /// Addresses that served when this was called last, or came later, and serve nobody now. Sorted.
    std::vector<SocketAddress> take_gone();

private:
    std::map<SocketAddress, std::uint32_t> sets_; ///< in how many sets it serves, never 0
    std::set<SocketAddress> gone_;
};

} // namespace naru
