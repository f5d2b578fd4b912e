#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <set>
#include <vector>

#include "lb/hash.h"
#include "model/address.hpp"

namespace {

constexpr std::uint32_t seed = LB_DEFAULT_SEED;

lb_tuple tuple(const char* src, unsigned sport, const char* dst, unsigned dport, unsigned proto)
{
    lb_tuple t{};
    t.src = naru::Address::parse(src)->raw();
    t.dst = naru::Address::parse(dst)->raw();
    t.sport = naru::Port{static_cast<std::uint16_t>(sport)}.raw();
    t.dport = naru::Port{static_cast<std::uint16_t>(dport)}.raw();
    t.proto = static_cast<__u8>(proto);
    return t;
}

/// Bytes 1..16 on one side, 128..143 on the other: every byte of the words counts.
lb_tuple counted()
{
    lb_tuple t{};
    for (unsigned i = 0; i < 16; ++i) {
        t.src.bytes[i] = static_cast<__u8>(i + 1);
        t.dst.bytes[i] = static_cast<__u8>(i + 128);
    }
    t.sport = 0x1234;
    t.dport = 0x5678;
    t.proto = 6;
    return t;
}

/// How far `flows` are from an even spread over `slots`, in standard deviations of chance.
double deviation(const std::vector<std::uint32_t>& hashes, std::uint16_t slots)
{
    std::vector<double> count(slots);
    for (auto hash : hashes)
        count.at(lb_slot(hash, slots))++;
    double expected = static_cast<double>(hashes.size()) / slots, chi = 0;
    for (auto n : count)
        chi += (n - expected) * (n - expected) / expected;
    double freedom = slots - 1.0;
    return (chi - freedom) / std::sqrt(2 * freedom);
}

} // namespace

TEST_CASE("hashes stay as they are for ever: nodes of different versions must agree", "[native]")
{
    auto t = counted();
    lb_frontend_key frontend{};
    frontend.addr = t.dst;
    frontend.port = t.dport;
    frontend.proto = t.proto;

    CHECK(lb_mix(1) == 0x5692161d100b05e5);
    CHECK(lb_hash_tuple(&t, seed) == 0x142b4545);
    CHECK(lb_hash_tuple(&t, 0) == 0x416e2973);
    CHECK(lb_hash_client(&t.src, &frontend, seed) == 0xb4eb1061);
    CHECK(lb_hash_backend(&t.src, 0x1234, seed) == 0x0fb5d3c12579da65);
    auto dns = tuple("10.1.1.1", 40000, "10.96.0.10", 53, 17);
    CHECK(lb_hash_tuple(&dns, seed) == 0xbc4c8ee8);
}

TEST_CASE("direction and padding do not count", "[native]")
{
    auto t = counted(), other = t;
    other.direction = LB_DIR_REPLY;
    other.pad = 7;
    CHECK(lb_hash_tuple(&t, seed) == lb_hash_tuple(&other, seed));
}

TEST_CASE("every bit of a flow turns about half of the hash", "[native]")
{
    const auto base = counted();
    std::vector<std::function<void(lb_tuple&)>> flips;
    for (unsigned bit = 0; bit < 128; ++bit) {
        auto mask = static_cast<__u8>(1u << bit % 8);
        flips.emplace_back([=](lb_tuple& t) { t.src.bytes[bit / 8] ^= mask; });
        flips.emplace_back([=](lb_tuple& t) { t.dst.bytes[bit / 8] ^= mask; });
    }
    for (unsigned bit = 0; bit < 16; ++bit) {
        auto mask = static_cast<__be16>(1u << bit);
        flips.emplace_back([=](lb_tuple& t) { t.sport ^= mask; });
        flips.emplace_back([=](lb_tuple& t) { t.dport ^= mask; });
    }
    for (unsigned bit = 0; bit < 8; ++bit)
        flips.emplace_back([=](lb_tuple& t) { t.proto ^= static_cast<__u8>(1u << bit); });

    int all = 0;
    for (const auto& flip : flips) {
        auto t = base;
        flip(t);
        int turned = std::popcount(lb_hash_tuple(&base, seed) ^ lb_hash_tuple(&t, seed));
        CHECK(turned >= 5); // of 32: fewer than 5 happens by chance once in a hundred thousand
        all += turned;
    }
    CHECK(static_cast<double>(all) / static_cast<double>(flips.size()) == Approx(16).margin(0.8));
}

TEST_CASE("what one end gains and the other loses does not cancel out", "[native]")
{
    std::set<std::uint32_t> hashes;
    unsigned flows = 0;
    for (unsigned shift = 0; shift < 200; ++shift, ++flows) {
        auto t = tuple("10.1.1.1", 0, "10.96.0.10", 0, 6);
        t.sport = static_cast<__be16>(1000 + shift);
        t.dport = static_cast<__be16>(1000 - shift);
        hashes.insert(lb_hash_tuple(&t, seed));
    }
    auto there = tuple("10.1.1.1", 80, "10.1.1.2", 80, 6), back = tuple("10.1.1.2", 80, "10.1.1.1", 80, 6);
    CHECK(lb_hash_tuple(&there, seed) != lb_hash_tuple(&back, seed));
    CHECK(hashes.size() == flows);
}

TEST_CASE("flows as they come spread evenly over the slots", "[native]")
{
    auto slots = GENERATE(std::uint16_t{61}, std::uint16_t{251}, std::uint16_t{1021}, std::uint16_t{65521});
    CAPTURE(slots);
    const unsigned flows = std::max(20000u, 10u * slots);
    std::vector<std::uint32_t> ports, clients, both, sixes, affine;
    lb_frontend_key frontend{};
    frontend.addr = naru::Address::parse("10.96.0.10")->raw();
    frontend.port = naru::Port{53}.raw();
    frontend.proto = 17;
    for (unsigned i = 0; i < flows; ++i) {
        auto t = tuple("10.1.1.1", 1024, "10.96.0.10", 53, 17);
        t.sport = static_cast<__be16>(i);
        if (i <= UINT16_MAX)
            ports.push_back(lb_hash_tuple(&t, seed));
        t = tuple("10.1.0.0", 40000, "10.96.0.10", 53, 17);
        t.src.w32[3] ^= __builtin_bswap32(i);
        clients.push_back(lb_hash_tuple(&t, seed));
        affine.push_back(lb_hash_client(&t.src, &frontend, seed));
        t.sport = naru::Port{static_cast<std::uint16_t>(32768 + i % 28000)}.raw();
        both.push_back(lb_hash_tuple(&t, seed));
        t = tuple("fd00:1::", 40000, "fd96::10", 53, 17);
        t.src.w32[1] = __builtin_bswap32(i); // a /64 for each client
        sixes.push_back(lb_hash_tuple(&t, seed));
    }
    CHECK(std::abs(deviation(ports, slots)) < 6);
    CHECK(std::abs(deviation(clients, slots)) < 6);
    CHECK(std::abs(deviation(both, slots)) < 6);
    CHECK(std::abs(deviation(sixes, slots)) < 6);
    CHECK(std::abs(deviation(affine, slots)) < 6);
}

TEST_CASE("the seed changes the choice", "[native]")
{
    auto t = counted();
    std::set<std::uint32_t> hashes;
    for (std::uint32_t s = 0; s < 1000; ++s)
        hashes.insert(lb_hash_tuple(&t, s));
    CHECK(hashes.size() == 1000);
}

TEST_CASE("backends are told apart by address and by port", "[native]")
{
    std::set<std::uint64_t> identities;
    for (unsigned i = 0; i < 100; ++i)
        for (unsigned port = 8000; port < 8100; ++port) {
            auto address = naru::Address::parse("10.0.0." + std::to_string(i))->raw();
            identities.insert(
                lb_hash_backend(&address, naru::Port{static_cast<std::uint16_t>(port)}.raw(), seed));
        }
    CHECK(identities.size() == 100 * 100);
}

TEST_CASE("a slot lies within the table, whatever the hash and the size", "[native]")
{
    CHECK(lb_slot(0, 61) == 0);
    CHECK(lb_slot(UINT32_MAX, 61) == 60);
    CHECK(lb_slot(UINT32_MAX, 1) == 0);
    CHECK(lb_slot(UINT32_MAX, 0) == 0);
    CHECK(lb_slot(UINT32_MAX, UINT16_MAX) == UINT16_MAX - 1);
    CHECK(lb_slot(0x80000000, 1000) == 500);
    rc::prop("below the size and never falling with the hash", [](std::uint32_t hash, std::uint16_t slots) {
        RC_PRE(slots > 0);
        RC_ASSERT(lb_slot(hash, slots) < slots);
        RC_ASSERT(hash == UINT32_MAX || lb_slot(hash, slots) <= lb_slot(hash + 1, slots));
    });
}
