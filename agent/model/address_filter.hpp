// Tells fast that an address is not in a set; "perhaps" is left to a look at the set itself.
#pragma once

#include <cstdint>
#include <vector>

#include "address.hpp"

namespace naru {

class AddressFilter {
public:
    AddressFilter() : counts_(cells) {}

    void add(const Address& address)
    {
        if (auto& count = cell(address); count < full)
            ++count;
    }

    /// Only what was added. A cell that was full once stays so: how much it held is not known.
    void remove(const Address& address)
    {
        if (auto& count = cell(address); count < full)
            --count;
    }

    bool may_hold(const Address& address) const { return counts_[AddressHash{}(address) % cells] > 0; }

private:
    static constexpr std::size_t cells = 1 << 16; ///< one look in seven is in vain at 10,000 addresses
    static constexpr std::uint8_t full = 255;

    std::uint8_t& cell(const Address& address) { return counts_[AddressHash{}(address) % cells]; }

    std::vector<std::uint8_t> counts_;
};

} // namespace naru
