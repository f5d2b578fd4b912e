// The XDP program: the same decisions as tc, and nothing but what it can finish.
#include <rapidcheck.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// As a neighbour of the uplink gets it.
Packet by_wire(Packet packet, const Mac& to)
{
    packet.to_mac = to;
    packet.from_mac = network().uplink.mac;
    return packet;
}

void check_sent_by_xdp(const XdpOutcome& got, lb_reason why, const Packet& expected)
{
    CHECK(got.sent);
    CHECK(name(got.reason) == name(why));
    CHECK(Outcome{.frame = got.frame}.packet() == expected);
}

/// The uplink takes larger frames for as long as this lives.
class LargeFrames {
public:
    LargeFrames() { mtu(9000); }
    LargeFrames(const LargeFrames&) = delete;
    LargeFrames& operator=(const LargeFrames&) = delete;
    ~LargeFrames() { mtu(1500); }

private:
    static void mtu(int bytes)
    {
        if (std::system(("ip link set uplink mtu " + std::to_string(bytes)).c_str()) != 0)
            throw std::runtime_error{"the MTU of the uplink"};
    }
};

/// XDP lets it pass as it is, and then tc does what it does without XDP.
void check_left_to_tc(const XdpOutcome& got, const Bytes& sent)
{
    CHECK_FALSE(got.sent);
    CHECK(got.frame == sent);
}

} // namespace

TEST_CASE("XDP sends to a backend elsewhere what tc would send, and the answer back to the client")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));

    auto sent = on.request(on.vip);
    auto got = node.xdp(sent, network().uplink);
    auto seen = Outcome{.frame = got.frame}.packet();
    auto expected = by_wire(sent, other_mac);
    expected.src = {on.node(), seen.src.port};
    expected.dst = on.away;
    expected.ttl = static_cast<std::uint8_t>(sent.ttl - 1);
    check_sent_by_xdp(got, LB_FORWARD_REMOTE, expected);

    auto answer = on.answer(seen);
    answer.to_mac = network().uplink.mac;
    auto back = by_wire(answer, gateway_mac);
    back.src = on.vip;
    back.dst = sent.src;
    back.ttl = static_cast<std::uint8_t>(answer.ttl - 1);
    check_sent_by_xdp(node.xdp(answer, network().uplink), LB_REPLY_SNAT, back);

    // One flow, whichever of the two sees its packets.
    auto next = on.request(on.vip, ack);
    auto by_tc = node.ingress(next, network().uplink);
    CHECK(name(by_tc.reason) == "forward_remote");
    CHECK(by_tc.packet().src == seen.src);
    auto by_xdp = node.xdp(next, network().uplink);
    CHECK(Outcome{.frame = by_xdp.frame}.packet().src == seen.src);
}

TEST_CASE("XDP leaves to tc what does not go on to another node, byte for byte")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    node.vip(on.other_vip, on.protocol, node.publish({}));

    auto unserved = on.vip;
    unserved.port = Port{9};
    for (const auto& to : {on.vip, on.other_vip, unserved, on.client}) {
        auto frame = build(on.request(to));
        check_left_to_tc(node.xdp(frame, network().uplink), frame);
    }
    // The flow to the pod here is known by now, and still is tc's.
    (void)node.ingress(on.request(on.vip), network().uplink);
    auto next = build(on.request(on.vip, ack));
    check_left_to_tc(node.xdp(next, network().uplink), next);
}

TEST_CASE(
    "XDP leaves to tc what it cannot finish: hop limit, options, tags, other stations, lies about the length")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    const auto good = on.request(on.vip);
    REQUIRE(node.xdp(good, network().uplink).sent);

    auto last_hop = good;
    last_hop.ttl = 1;
    auto optional = good;
    if (on.v4())
        optional.options = Bytes(4, 1);
    else
        optional.extensions = {Extension{.type = 60}};
    auto stranger = good;
    stranger.to_mac = other_mac;
    auto broadcast = good;
    broadcast.to_mac.fill(0xff);
    for (const auto& packet : {last_hop, optional, stranger, broadcast}) {
        auto frame = build(packet);
        check_left_to_tc(node.xdp(frame, network().uplink), frame);
    }

    auto frame = build(good);
    auto tagged = frame;
    const std::array<std::uint8_t, 4> tag{0x81, 0x00, 0x00, 0x05};
    tagged.insert(tagged.begin() + 12, tag.begin(), tag.end());
    check_left_to_tc(node.xdp(tagged, network().uplink), tagged);
    auto cut = frame;
    cut.resize(cut.size() - 1);
    check_left_to_tc(node.xdp(cut, network().uplink), cut);
}

TEST_CASE("XDP leaves to tc a backend behind another device, without a route or without a known neighbour")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    for (const auto& backend : {on.bridged, on.nowhere}) {
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(backend)}}));
        auto frame = build(on.request(on.vip));
        check_left_to_tc(node.xdp(frame, network().uplink), frame);
    }
    node.device(network().uplink, std::nullopt);
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto frame = build(on.request(on.vip));
    check_left_to_tc(node.xdp(frame, network().uplink), frame);
}

TEST_CASE("over IPv4 a missing UDP checksum stays missing through XDP")
{
    Host node;
    auto on = casts(proto_udp).front();
    REQUIRE(on.v4());
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.udp_checksum = false;
    auto got = node.xdp(sent, network().uplink);
    REQUIRE(got.sent);
    CHECK_FALSE(Outcome{.frame = got.frame}.packet().udp_checksum);
}

TEST_CASE("XDP sends a frame of several buffers whole")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.payload.resize(8000);
    for (std::size_t i = 0; i < sent.payload.size(); ++i)
        sent.payload[i] = static_cast<std::uint8_t>(i * 7 + i / 251);
    check_left_to_tc(node.xdp(sent, network().uplink), build(sent)); // larger than the next hop takes

    LargeFrames allowed;
    auto got = node.xdp(sent, network().uplink);
    REQUIRE(got.sent);
    auto seen = Outcome{.frame = got.frame}.packet();
    CHECK(seen.dst == on.away);
    CHECK(seen.payload == sent.payload);
}

TEST_CASE("a client that XDP sent to a backend stays with it at tc, and the other way round")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(
        on.vip, on.protocol,
        node.publish({.backends = {remote(on.away), remote(on.second_away)}, .affinity_timeout_sec = 100}));
    for (unsigned host = 0; host < 20; ++host) {
        auto client = on.client;
        client.address.bytes[15] = static_cast<std::uint8_t>(host);
        std::vector<SocketAddress> backends;
        for (unsigned port = 5000; port < 5004; ++port) {
            client.port = {static_cast<std::uint16_t>(port)};
            auto packet = on.request(client, on.vip);
            const bool by_xdp = (host + port) % 2;
            auto frame = by_xdp ? node.xdp(packet, network().uplink).frame
                                : node.ingress(packet, network().uplink).frame;
            backends.push_back(Outcome{.frame = frame}.packet().dst);
        }
        CHECK(std::ranges::count(backends, backends[0]) == 4);
        CHECK(backends[0] != on.vip);
    }
}

TEST_CASE("what XDP sends of frames with random bytes in them is what tc sends, and the rest is as it came")
{
    CHECK(rc::check([] {
        Host node;
        auto on = *rc::gen::elementOf(casts());
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
        auto frame = build(on.request({on.client.address, {*rc::gen::arbitrary<std::uint16_t>()}}, on.vip));
        auto changes = *rc::gen::inRange(0, 4);
        for (int i = 0; i < changes; ++i)
            frame[*rc::gen::inRange<std::size_t>(ip_offset(), frame.size())] =
                *rc::gen::arbitrary<std::uint8_t>();

        auto by_xdp = node.xdp(frame, network().uplink);
        auto by_tc = node.ingress(frame, network().uplink);
        RC_CLASSIFY(by_xdp.sent, "sent by XDP");
        if (!by_xdp.sent) {
            RC_ASSERT(by_xdp.frame == frame);
            return;
        }
        // The stations are those of the next hop; tc leaves them to the kernel.
        const auto behind = static_cast<std::ptrdiff_t>(2 * sizeof(Mac));
        RC_ASSERT(by_tc.reason == by_xdp.reason);
        RC_ASSERT(by_tc.verdict == Verdict::redirect);
        RC_ASSERT(std::equal(by_xdp.frame.begin() + behind, by_xdp.frame.end(), by_tc.frame.begin() + behind,
                             by_tc.frame.end()));
    }));
}
