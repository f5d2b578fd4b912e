// What goes past the stack and comes no further: the sender is told, as a router would.
#include <algorithm>

#include "bpf/checksum.hpp"
#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t uplink_mtu = 1500;

/// The error that this node sends about a packet, from its own address.
Packet told(const Cast& on, const Packet& sent, const Kind& kind)
{
    Packet error;
    error.to_mac = sent.from_mac;
    error.from_mac = sent.to_mac;
    error.src.address = on.node();
    error.dst.address = sent.src.address;
    error.protocol = on.v4() ? proto_icmp : proto_icmp6;
    error.ttl = 64;
    error.fragment = on.v4() ? std::uint16_t{0x4000} : std::uint16_t{0};
    error.icmp_type = kind.type;
    error.icmp_code = kind.code;
    error.icmp_rest = kind.rest;
    error.payload = quote_of(sent, whole);
    error.payload.resize(std::min<std::size_t>(error.payload.size(), 128));
    return error;
}

Packet too_big(const Cast& on, const Packet& sent)
{
    return told(on, sent, on.v4() ? Kind{3, 4, uplink_mtu} : Kind{2, 0, uplink_mtu});
}

Packet time_exceeded(const Cast& on, const Packet& sent)
{
    return told(on, sent, on.v4() ? Kind{11, 0, 0} : Kind{3, 0, 0});
}

Packet large(Packet packet, std::uint16_t fragment = 0x4000)
{
    packet.payload.resize(1500);
    packet.fragment = packet.family() == Family::v4 ? fragment : std::uint16_t{0};
    return packet;
}

} // namespace

TEST_CASE("the client learns what the way to a backend takes, with its first packet and with later ones")
{
    auto on = GENERATE(from_range(casts()));
    auto fragment = GENERATE(as<std::uint16_t>{}, 0x4000, 0); // who lets routers fragment learns it as well
    CAPTURE(on, fragment);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto first = large(on.request(on.vip), fragment);
    check_sent(node.ingress(first, network().uplink), LB_TOO_BIG, Verdict::redirect, too_big(on, first));

    node.ingress(on.request(on.vip), network().uplink);
    auto later = large(on.request(on.vip, ack), fragment);
    check_sent(node.ingress(later, network().uplink), LB_TOO_BIG, Verdict::redirect, too_big(on, later));
    CHECK(name(node.ingress(on.request(on.vip, ack), network().uplink).reason) == name(LB_FORWARD_REMOTE));
}

TEST_CASE("a backend elsewhere learns what the way to the client takes")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto seen = node.ingress(on.request(on.vip), network().uplink).packet();
    auto answer = on.answer(seen);
    answer.to_mac = network().uplink.mac;
    answer.from_mac = other_mac;
    answer = large(answer);
    check_sent(node.ingress(answer, network().uplink), LB_TOO_BIG, Verdict::redirect, too_big(on, answer));
}

TEST_CASE("a merged packet is measured by its segments, and its quote is right once its checksum is finished")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.payload.assign(3000, 0x5c);
    auto headers = static_cast<unsigned>(l4_offset(sent) - ip_offset() + (on.tcp() ? 20 : 8));
    auto fits = node.ingress(build(sent), network().uplink, uplink_mtu - headers);
    CHECK(name(fits.reason) == name(LB_FORWARD_REMOTE));

    // As the kernel keeps merged packets: the checksum field holds the sum of the pseudo header alone.
    auto frame = build(sent);
    auto check = l4_offset(sent) + (on.tcp() ? 16 : 6);
    frame[check] = 0x12;
    frame[check + 1] = 0x34;
    auto got = node.ingress(frame, network().uplink, uplink_mtu - headers + 1);
    CHECK(name(got.reason) == name(LB_TOO_BIG));
    CHECK(got.verdict == Verdict::redirect);

    // The device that sends it computes the transport's sum over what stands there, field included.
    auto from = l4_offset(sent) + (on.v4() ? 28u : 48u);
    auto field = from + (on.tcp() ? 16 : 6);
    auto finished = fold(sum(std::span{got.frame}.subspan(from)));
    got.frame[field] = static_cast<std::uint8_t>(finished >> 8);
    got.frame[field + 1] = static_cast<std::uint8_t>(finished & 0xff);
    auto packet = got.packet(); // insists on right checksums
    CHECK(packet.icmp_rest == uplink_mtu);
    CHECK(packet.payload.size() == 128);
}

TEST_CASE("a packet with its last hop is answered by this node, in both directions")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.ttl = 1;
    check_sent(node.ingress(sent, network().uplink), LB_TTL_EXCEEDED, Verdict::redirect,
               time_exceeded(on, sent));

    auto answer = on.answer(node.ingress(on.request(on.vip), network().uplink).packet());
    answer.to_mac = network().uplink.mac;
    answer.from_mac = other_mac;
    answer.ttl = 1;
    check_sent(node.ingress(answer, network().uplink), LB_TTL_EXCEEDED, Verdict::redirect,
               time_exceeded(on, answer));
}

TEST_CASE("a pod whose device has no address of its own hears from the node's primary one")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}})); // itself: past the stack
    auto sent = on.pod_request(on.vip);
    sent.ttl = 1;
    check_sent(node.ingress(sent, network().pod), LB_TTL_EXCEEDED, Verdict::redirect,
               time_exceeded(on, sent));
    node.primary({}, {});
    CHECK(node.ingress(sent, network().pod).packet().src.address == on.vip.address);
}

TEST_CASE("no more is said than the limit allows, but the size, which nobody else tells")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node{{.reject_per_sec = 0}};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.ttl = 1;
    check_dropped(node.ingress(sent, network().uplink), LB_REJECT_LIMIT);
    auto big = node.ingress(large(on.request(on.vip)), network().uplink);
    CHECK(name(big.reason) == name(LB_TOO_BIG));
    CHECK(big.verdict == Verdict::redirect);
}
