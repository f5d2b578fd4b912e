// What holds for any packet, tried with many.
#include <rapidcheck.h>

#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/checksum.hpp"
#include "bpf/expect.hpp"
#include "lb/hash.h"

using namespace naru;
using namespace naru::test;

namespace {

/// A client address behind the gateway: 198.18.0.0/15 or 2001:db8:c::/48 with random host bits.
Address client_address(bool v4, std::uint64_t random)
{
    auto address = v4 ? addr("198.18.0.0") : addr("2001:db8:c::");
    if (v4)
        address.bytes[13] = static_cast<std::uint8_t>(address.bytes[13] | (random >> 16 & 1));
    for (std::size_t i = v4 ? 14 : 8, shift = 0; i < 16; ++i, shift += 8)
        address.bytes[i] = static_cast<std::uint8_t>(random >> shift & 0xff);
    return address;
}

Packet any_request(const Cast& on, const SocketAddress& to)
{
    auto port = *rc::gen::arbitrary<std::uint16_t>();
    auto packet = on.request({client_address(on.v4(), *rc::gen::arbitrary<std::uint64_t>()), {port}}, to);
    packet.payload = *rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>());
    packet.tos = *rc::gen::arbitrary<std::uint8_t>();
    packet.seq = *rc::gen::arbitrary<std::uint32_t>();
    return packet;
}

Cast any_cast() { return *rc::gen::elementOf(casts()); }

/// The backend a flow of an outside client must have: slot by hash, position by slot.
SocketAddress modelled_backend(const Block& block, const Packet& sent)
{
    auto tuple = flow_of(sent, sent).forward;
    auto slot =
        lb_slot(lb_hash_tuple(&tuple, LB_DEFAULT_SEED), static_cast<std::uint16_t>(block.slots.size()));
    const auto& row = block.rows.at(block.slots[slot]);
    return {Address::from(row.addr), Port::from(row.port)};
}

/// `count` backends on the other node, which all have a route.
std::vector<Backend> many(const Cast& on, unsigned count)
{
    std::vector<Backend> backends;
    for (unsigned i = 0; i < count; ++i) {
        auto backend = on.away;
        backend.address.bytes[15] = static_cast<std::uint8_t>(2 + i % 250);
        backend.port = {static_cast<std::uint16_t>(8080 + i / 250)};
        backends.push_back(remote(backend));
    }
    return backends;
}

} // namespace

TEST_CASE("whatever a client sends to a frontend, the answer comes from that frontend to that client")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        bool here = *rc::gen::arbitrary<bool>();
        node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
        auto sent = any_request(on, on.vip);

        auto seen = node.ingress(sent, network().uplink).packet(); // packet() insists on right checksums
        RC_ASSERT(seen.payload == sent.payload);
        RC_ASSERT(seen.dst == (here ? on.pod : on.away));
        auto answer = on.answer(seen);
        auto got =
            (here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink)).packet();
        RC_ASSERT(got.src == sent.dst);
        RC_ASSERT(got.dst == sent.src);
        RC_ASSERT(got.payload == answer.payload);
    }));
}

TEST_CASE("whatever is not for a frontend leaves byte for byte as it came, in both directions")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
        auto to = SocketAddress{client_address(on.v4(), *rc::gen::arbitrary<std::uint64_t>()),
                                {*rc::gen::arbitrary<std::uint16_t>()}};
        auto packet = any_request(on, to);
        packet.tcp_flags = on.tcp() ? *rc::gen::arbitrary<std::uint8_t>() : std::uint8_t{0};
        auto frame = build(packet);
        for (const auto& got : {node.ingress(frame, network().uplink), node.egress(frame, network().uplink),
                                node.ingress(frame, network().pod), node.egress(frame, network().pod)}) {
            RC_ASSERT(got.reason == LB_PASS);
            RC_ASSERT(got.frame == frame);
        }
    }));
}

TEST_CASE("frames with random bytes in them are passed as they came, dropped, or right")
{
    CHECK(rc::check([] {
        static const std::set<lb_reason> sent_on{LB_FORWARD_LOCAL, LB_FORWARD_REMOTE, LB_NO_BACKEND,
                                                 LB_PORT_UNSERVED, LB_ECHO,           LB_TTL_EXCEEDED};
        static const std::set<lb_reason> as_it_came{LB_PASS, LB_FRAGMENT_WAIT};
        Host node;
        auto on = any_cast();
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
        auto frame = build(any_request(on, on.vip));
        auto changes = *rc::gen::inRange(0, 6);
        for (int i = 0; i < changes; ++i)
            frame[*rc::gen::inRange<std::size_t>(ip_offset(), frame.size())] =
                *rc::gen::arbitrary<std::uint8_t>();
        auto least = ip_offset() + (on.v4() ? 20u : 40u); // the kernel runs nothing shorter
        if (*rc::gen::arbitrary<bool>())
            frame.resize(*rc::gen::inRange(least, frame.size() + 1));

        auto got = node.ingress(frame, network().uplink);
        if (as_it_came.contains(got.reason))
            RC_ASSERT(got.frame == frame);
        else if (got.verdict != Verdict::drop)
            RC_ASSERT(sent_on.contains(got.reason));
    }));
}

TEST_CASE("a flow keeps its backend while the Service does not change")
{
    auto on = GENERATE(from_range(casts()));
    auto inside = GENERATE(false, true);
    CAPTURE(on, inside);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = many(on, 20)}));
    const auto& link = inside ? network().pod : network().uplink;
    CHECK(rc::check([&] {
        auto packet = any_request(on, on.vip);
        packet.to_mac = link.mac;
        auto first = node.ingress(packet, link).packet();
        for (int i = 0; i < 3; ++i)
            RC_ASSERT(node.ingress(packet, link).packet() == first);
    }));
}

TEST_CASE("for thousands of clients outside, the program's backend is the one the model computes")
{
    auto on = GENERATE(from_range(casts()));
    auto count = GENERATE(1u, 2u, 3u, 20u, 300u);
    CAPTURE(on, count);
    Host node;
    auto web = node.publish({.backends = many(on, count)});
    node.vip(on.vip, on.protocol, web);
    std::uint64_t random = 0x9e3779b97f4a7c15 + count;
    std::set<SocketAddress> reached;
    for (int i = 0; i < 1000; ++i) {
        random = lb_mix(random + 1);
        SocketAddress client{client_address(on.v4(), random), {static_cast<std::uint16_t>(random >> 48)}};
        auto sent = on.request(client, on.vip);
        auto got = node.ingress(sent, network().uplink).packet().dst;
        if (got != modelled_backend(node.block(web), sent))
            FAIL(sent << " reached " << got.text());
        reached.insert(got);
    }
    CHECK(reached.size() >= std::min(count, 250u));
}

TEST_CASE("a Service of a different set sends a flow to the model's backend of that set")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto backends = many(on, 12);
    auto web = node.publish({.backends = backends});
    node.vip(on.vip, on.protocol, web);
    std::uint16_t port = 1;
    for (std::size_t gone = 0; gone < backends.size(); ++gone) {
        auto rest = backends;
        rest[gone] = draining(rest[gone]);
        node.publish({.backends = rest}, web);
        for (int i = 0; i < 50; ++i) {
            auto sent = on.request({on.client.address, {port++}}, on.vip);
            auto got = node.ingress(sent, network().uplink).packet().dst;
            CHECK(got == modelled_backend(node.block(web), sent));
            CHECK(got != backends[gone].at);
        }
    }
}
