#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "lb/icmp.h"
#include "model/address.hpp"

namespace {

using Bytes = std::vector<__u8>;

/// RFC 1071, the slow and obvious way, over words as they lie in memory.
__u16 sum_of(const Bytes& bytes)
{
    __u64 total = 0;
    for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) {
        __u16 word;
        std::memcpy(&word, &bytes[i], sizeof word);
        total += word;
    }
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<__u16>(total);
}

/// Ones' complement has two zeros.
bool same_sum(__u16 a, __u16 b) { return a % 0xffff == b % 0xffff; }

lb_addr any_address(__u8 family)
{
    lb_addr address{};
    auto bytes = *rc::gen::container<std::array<__u8, 16>>(rc::gen::arbitrary<__u8>());
    std::ranges::copy(bytes, address.bytes);
    if (family == 4) {
        std::fill_n(address.bytes, 10, __u8{0});
        std::fill_n(address.bytes + 10, 2, __u8{0xff});
    }
    return address;
}

lb_tuple any_tuple(__u8 family)
{
    lb_tuple tuple{};
    tuple.src = any_address(family);
    tuple.dst = any_address(family);
    tuple.sport = *rc::gen::arbitrary<__u16>();
    tuple.dport = *rc::gen::arbitrary<__u16>();
    return tuple;
}

void append(Bytes& to, const void* from, std::size_t size)
{
    auto bytes = static_cast<const __u8*>(from);
    to.insert(to.end(), bytes, bytes + size);
}

/// Addresses of a tuple as they count in a checksum.
Bytes addresses_of(const lb_tuple& tuple)
{
    Bytes bytes;
    append(bytes, &tuple.src, 16);
    append(bytes, &tuple.dst, 16);
    return bytes;
}

} // namespace

TEST_CASE("a patched checksum is the one computed anew, for every word that can change", "[native]")
{
    for (unsigned rest : {0u, 1u, 0x1234u, 0xfffeu, 0xffffu})
        for (unsigned from : {0u, 1u, 0x00ffu, 0x8000u, 0xfffeu, 0xffffu})
            for (unsigned to = 0; to < 0x10000; ++to) {
                auto before = static_cast<__u16>(~lb_csum_fold(rest + from));
                auto change = lb_csum_change(static_cast<__u16>(from), static_cast<__u16>(to));
                auto after = static_cast<__u16>(~lb_csum_fold(rest + to));
                if (!same_sum(lb_csum_patch(before, change), after))
                    FAIL(rest << ", " << from << " -> " << to);
            }
}

TEST_CASE("a quote under other names has right checksums if it had them, and its sum is known", "[native]")
{
    rc::prop("for any packet", [] {
        auto family = *rc::gen::element(__u8{4}, __u8{6});
        auto proto = *rc::gen::element(__u8{6}, __u8{17}, __u8{132});
        bool cut = *rc::gen::arbitrary<bool>();
        auto from = any_tuple(family), to = any_tuple(family);
        // Everything else that the two sums are over.
        auto rest = *rc::gen::container<Bytes>(8, rc::gen::arbitrary<__u8>());

        auto ip_sum = [&](const lb_tuple& t) {
            auto bytes = addresses_of(t);
            append(bytes, rest.data(), 4);
            return sum_of(bytes);
        };
        auto transport_sum = [&](const lb_tuple& t) {
            auto bytes = addresses_of(t);
            append(bytes, &t.sport, 2);
            append(bytes, &t.dport, 2);
            append(bytes, rest.data(), rest.size());
            return sum_of(bytes);
        };
        lb_quote_sums sums{.ip = static_cast<__u16>(~ip_sum(from)),
                           .transport = static_cast<__u16>(~transport_sum(from)),
                           .family = family,
                           .proto = proto,
                           .cut = cut};
        if (proto == 17 && !sums.transport)
            sums.transport = 0xffff;
        auto before = sums;

        auto gained = lb_requote(&sums, &from, &to);
        auto quote = [](const lb_tuple& t, const lb_quote_sums& s) {
            auto bytes = addresses_of(t);
            append(bytes, &t.sport, 2);
            append(bytes, &t.dport, 2);
            append(bytes, &s.ip, 2);
            append(bytes, &s.transport, 2);
            return sum_of(bytes);
        };
        if (family == 4)
            RC_ASSERT(same_sum(static_cast<__u16>(~sums.ip), ip_sum(to)));
        else
            RC_ASSERT(sums.ip == before.ip);
        if (cut || proto == 132)
            RC_ASSERT(sums.transport == before.transport);
        else
            RC_ASSERT(same_sum(static_cast<__u16>(~sums.transport), transport_sum(to)));
        RC_ASSERT(same_sum(lb_csum_fold(quote(from, before) + gained), quote(to, sums)));
    });
}

TEST_CASE("a UDP checksum that was left out stays out, one that becomes zero is all ones", "[native]")
{
    lb_tuple from{}, to{};
    to.sport = 0x1111;
    lb_quote_sums none{.ip = 0, .transport = 0, .family = 4, .proto = 17, .cut = 0};
    lb_requote(&none, &from, &to);
    CHECK(none.transport == 0);

    lb_quote_sums zero{.ip = 0, .transport = 0x1111, .family = 4, .proto = 17, .cut = 0};
    lb_requote(&zero, &from, &to);
    CHECK(zero.transport == 0xffff);
    lb_quote_sums tcp{.ip = 0, .transport = 0x1111, .family = 4, .proto = 6, .cut = 0};
    lb_requote(&tcp, &from, &to);
    CHECK(tcp.transport == 0);
}

TEST_CASE("errors are told from queries, discovery and redirects", "[native]")
{
    std::vector<unsigned> four, six;
    for (unsigned type = 0; type < 256; ++type) {
        if (lb_icmp_is_error(4, static_cast<__u8>(type)))
            four.push_back(type);
        if (lb_icmp_is_error(6, static_cast<__u8>(type)))
            six.push_back(type);
    }
    CHECK(four == std::vector<unsigned>{3, 11, 12});
    CHECK(six == std::vector<unsigned>{1, 2, 3, 4});
}
