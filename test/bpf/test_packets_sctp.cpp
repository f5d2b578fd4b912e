// SCTP on every path: ports and addresses as for others, and not a byte of its chunks.
#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/checksum.hpp"
#include "bpf/chunk.hpp"
#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"
#include "bpf/pieces.hpp"
#include "lb/sctp.h"

using namespace naru;
using namespace naru::test;

namespace {

/// Other addresses of an end: two IPv4, two IPv6, and the kinds it understands (RFC 9260 3.3.2.1).
Bytes many_homes()
{
    return parameter(5, {198, 51, 100, 77}) + parameter(5, {10, 20, 30, 40}) +
           parameter(6, {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}) +
           parameter(6, {0xfd, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9}) + parameter(12, {0, 5, 0, 6});
}

} // namespace

TEST_CASE(
    "SCTP to a backend here and its answer get their names, and their checksum is right for every length")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto length = GENERATE(4u, 16u, 20u, 100u, 256u, 1024u, 1440u);
    CAPTURE(on, length);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    node.ingress(on.request(on.vip), network().uplink);

    auto sent = on.request(on.vip, ack), expected = sent;
    sent.payload = expected.payload = data_chunk(length);
    expected.dst = on.pod;
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);

    auto answer = on.answer(expected, ack), named = answer;
    answer.payload = named.payload = data_chunk(length);
    named.src = on.vip;
    check_sent(node.egress(answer, network().uplink), LB_REPLY, Verdict::to_stack, named);
}

TEST_CASE("SCTP to another node borrows an address and a port, and its answer gives them back")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto keeps = GENERATE(true, false); // the client's port lies in the range, or not
    CAPTURE(on, keeps);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(at_port(on.client, keeps ? 2000 : 40000), on.vip), expected = sent;
    auto got = node.ingress(sent, network().uplink);
    expected.src = {on.node(), got.packet().src.port};
    expected.dst = on.away;
    --expected.ttl;
    check_sent(got, LB_FORWARD_REMOTE, Verdict::redirect, expected);
    CHECK((got.packet().src.port == sent.src.port) == keeps);

    auto answer = on.answer(expected), named = answer;
    named.src = on.vip;
    named.dst = sent.src;
    --named.ttl;
    check_sent(node.ingress(answer, network().uplink), LB_REPLY_SNAT, Verdict::redirect, named);
}

TEST_CASE(
    "SCTP of a pod reaches a backend elsewhere under the pod's own address, and itself under the node's")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    node.vip(on.other_vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.pod_request(on.vip), expected = sent;
    expected.dst = on.away;
    check_sent(node.ingress(sent, network().pod), LB_FORWARD_LOCAL, Verdict::to_stack, expected);

    auto to_itself = on.pod_request(on.other_vip);
    auto got = node.ingress(to_itself, network().pod);
    CHECK(name(got.reason) == "hairpin");
    auto seen = got.packet(); // with a right checksum
    CHECK(seen.src.address != on.pod.address);
    CHECK(seen.dst == on.pod);
    CHECK(seen.payload == to_itself.payload);
}

TEST_CASE("INIT and INIT ACK of ends with many addresses go through with all of them as listed")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
    auto sent = on.request(on.vip);
    sent.payload = init(LB_SCTP_INIT, many_homes());
    auto seen = node.ingress(sent, network().uplink).packet();
    CHECK(seen.dst == (here ? on.pod : on.away));
    CHECK(seen.payload == sent.payload);
    CHECK(seen.seq == 0);

    auto answer = on.answer(seen);
    answer.payload = init(LB_SCTP_INIT_ACK, many_homes() + parameter(7, bytes("a cookie of a server")));
    auto back = here ? node.egress(answer, network().uplink) : node.ingress(answer, network().uplink);
    auto gotten = back.packet();
    CHECK(gotten.src == on.vip);
    CHECK(gotten.dst == on.client);
    CHECK(gotten.payload == answer.payload);
}

TEST_CASE("SCTP, TCP and UDP on one number of one address are three ports")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Host node;
    const SocketAddress backends[] = {on.pod, on.second, on.bridged};
    const std::uint8_t protocols[] = {proto_sctp, proto_tcp, proto_udp};
    for (int i = 0; i < 3; ++i)
        node.vip(on.vip, protocols[i], node.publish({.backends = {local(backends[i])}}));
    for (int i = 0; i < 3; ++i) {
        auto other = casts(protocols[i])[on.v4() ? 0 : 1];
        CHECK(node.ingress(other.request(on.vip), network().uplink).packet().dst == backends[i]);
    }
}

TEST_CASE("SCTP without its common header and a chunk is malformed")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto length = GENERATE(0u, 7u, 8u, 11u, 12u, 15u);
    auto padded = GENERATE(true, false); // as Ethernet pads short frames
    CAPTURE(on, length, padded);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto broken = [&](const SocketAddress& to) {
        auto packet = on.request(to);
        auto sent = transport_of(build(packet), packet);
        packet.protocol = 253; // whatever is written as it is
        packet.payload = {sent.begin(), sent.begin() + length};
        auto frame = build(packet);
        frame[ip_offset() + (on.v4() ? 9 : 6)] = proto_sctp;
        if (on.v4()) { // the header's checksum follows
            auto header = std::span{frame}.subspan(ip_offset(), 20);
            header[10] = header[11] = 0;
            auto check = fold(sum(header));
            header[10] = static_cast<std::uint8_t>(check >> 8);
            header[11] = static_cast<std::uint8_t>(check & 0xff);
        }
        if (padded)
            frame.resize(std::max<std::size_t>(frame.size(), l4_offset(packet) + 40));
        return frame;
    };
    check_dropped(node.ingress(broken(on.vip), network().uplink), LB_MALFORMED);
    auto elsewhere = broken(on.other_vip);
    check_untouched(node.ingress(elsewhere, network().uplink), elsewhere);
    check_untouched(node.egress(elsewhere, network().uplink), elsewhere);
}

TEST_CASE("SCTP in fragments goes through where its ports stay, and is dropped where they would change")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto stays = GENERATE(true, false);
    CAPTURE(on, stays);
    Host node;
    auto vip = stays ? at_port(on.vip, on.pod.port.host) : on.vip;
    node.vip(vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    node.ingress(on.request(vip), network().uplink);
    auto packet = on.request(vip, ack);
    packet.payload = data_chunk(3000);
    std::vector<Bytes> out;
    for (const auto& frame : pieces(packet, 1200)) {
        auto got = node.ingress(frame, network().uplink);
        if (!stays) {
            CHECK(got.verdict != Verdict::to_stack);
            CHECK((name(got.reason) == "fragment" || name(got.reason) == "fragment_wait"));
            continue;
        }
        CHECK(name(got.reason) == "forward_local");
        out.push_back(got.frame);
    }
    if (!stays)
        return;
    auto expected = packet;
    expected.dst = on.pod;
    auto joined = join(out); // with a right checksum
    REQUIRE(joined);
    CHECK(*joined == expected);
}

TEST_CASE("an ICMP error about SCTP reaches the client with its own names, and the quoted checksum as it was")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto length = GENERATE(eight_bytes, whole);
    CAPTURE(on, length);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    auto sent = on.request(on.vip);
    auto seen = node.ingress(sent, network().uplink).packet();
    auto error = error_about(seen, router(on).address, kinds(on).front(), length, network().uplink);
    auto got = node.ingress(error, network().uplink);
    CHECK(name(got.reason) == "icmp_to_client");
    auto told = got.packet(); // the message's own checksum is right
    CHECK(told.dst.address == on.client.address);

    auto before_the_node = sent;
    before_the_node.ttl = seen.ttl;
    auto quote = quote_of(before_the_node, length);
    if (length == whole) {
        auto at = quote.size() - sent.payload.size() - 4;
        std::copy_n(error.payload.begin() + static_cast<std::ptrdiff_t>(at), 4,
                    quote.begin() + static_cast<std::ptrdiff_t>(at));
    }
    CHECK(told.payload == quote);
}
