// A frame for the programs to write flows into.
#pragma once

#include <array>
#include <cstddef>

#include "model/address.hpp"

namespace naru::bench {

/// Ethernet, IP and TCP or UDP with a short payload; addresses, ports and flags are the programs' business.
using Frame = std::array<std::byte, 98>;

inline Frame frame(Family family, Protocol protocol)
{
    Frame out{};
    auto put = [&](std::size_t at, unsigned value) { out[at] = static_cast<std::byte>(value); };
    auto put16 = [&](std::size_t at, std::size_t value) {
        put(at, static_cast<unsigned>(value >> 8));
        put(at + 1, static_cast<unsigned>(value & 0xff));
    };
    constexpr std::size_t ethernet = 14;
    std::size_t l4 = 0;
    auto proto = static_cast<unsigned>(protocol);
    if (family == Family::v4) {
        l4 = ethernet + 20;
        put16(12, 0x0800);
        put(ethernet, 0x45);
        put16(ethernet + 2, out.size() - ethernet);
        put(ethernet + 8, 64);
        put(ethernet + 9, proto);
    } else {
        l4 = ethernet + 40;
        put16(12, 0x86dd);
        put(ethernet, 0x60);
        put16(ethernet + 4, out.size() - l4);
        put(ethernet + 6, proto);
        put(ethernet + 7, 64);
    }
    if (protocol == Protocol::udp) {
        put16(l4 + 4, out.size() - l4);
        put16(l4 + 6, 0xbeef); // zero would mean: no checksum to keep
    } else {
        put(l4 + 12, 0x50);
    }
    return out;
}

} // namespace naru::bench
