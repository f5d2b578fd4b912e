// The checksum of SCTP, which covers its ports and no address: what is right stays right, and what is wrong
// stays wrong.
#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/checksum.hpp"
#include "bpf/chunk.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::size_t check_at = 8;

std::uint32_t check_of(const Bytes& transport)
{
    return static_cast<std::uint32_t>(transport[check_at]) | std::uint32_t{transport[check_at + 1]} << 8 |
           std::uint32_t{transport[check_at + 2]} << 16 | std::uint32_t{transport[check_at + 3]} << 24;
}

/// A packet whose right checksum is zero: its last four bytes are chosen so.
Packet summing_up_to_zero(Packet packet)
{
    auto size = packet.payload.size();
    std::fill(packet.payload.end() - 4, packet.payload.end(), std::uint8_t{0});
    auto all = transport_of(build(packet), packet);
    std::fill_n(all.begin() + check_at, 4, std::uint8_t{0});
    all.resize(all.size() - 4);
    std::uint32_t wanted = 0xffffffff; // the register before it is inverted, taken back by four bytes
    for (int bit = 0; bit < 32; ++bit)
        wanted = wanted & 0x80000000 ? (wanted ^ 0x82f63b78) << 1 | 1 : wanted << 1;
    auto last = wanted ^ ~crc32c(all);
    for (std::size_t i = 0; i < 4; ++i)
        packet.payload[size - 4 + i] = static_cast<std::uint8_t>(last >> 8 * i & 0xff);
    return packet;
}

} // namespace

TEST_CASE("where no port changes SCTP keeps every byte behind its addresses, a wrong checksum included")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto broken = GENERATE(0u, 1u, 0x80000000u);
    CAPTURE(on, broken);
    Host node;
    auto vip = at_port(on.vip, on.pod.port.host);
    node.vip(vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request(vip);
    auto frame = build(sent);
    frame[l4_offset(sent) + check_at] ^= static_cast<std::uint8_t>(broken & 0xff);
    frame[l4_offset(sent) + check_at + 3] ^= static_cast<std::uint8_t>(broken >> 24);
    auto got = node.ingress(frame, network().uplink);
    CHECK(name(got.reason) == "forward_local");
    CHECK(transport_of(got.frame, sent) == transport_of(frame, sent));
    CHECK(read(got.frame)->dst == on.pod);
}

TEST_CASE("a wrong checksum of SCTP is as wrong after its ports were changed, be it even zero")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto zero = GENERATE(true, false);
    CAPTURE(on, zero);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto sent = on.request(on.vip), expected = sent;
    expected.dst = on.pod;
    auto frame = build(sent);
    auto right = check_of(transport_of(frame, sent));
    std::uint32_t wrong = zero ? right : 0x00102000;
    for (std::size_t i = 0; i < 4; ++i)
        frame[l4_offset(sent) + check_at + i] ^= static_cast<std::uint8_t>(wrong >> 8 * i & 0xff);

    auto got = node.ingress(frame, network().uplink);
    CHECK(name(got.reason) == "forward_local");
    CHECK((check_of(transport_of(got.frame, sent)) ^ check_of(transport_of(build(expected), expected))) ==
          wrong);
}

TEST_CASE("a right checksum of SCTP that is zero is not taken for one that is still to be made")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    node.ingress(on.request(on.vip), network().uplink);
    auto sent = on.request(on.vip, ack);
    sent.payload = data_chunk(100);
    sent = summing_up_to_zero(sent);
    REQUIRE(check_of(transport_of(build(sent), sent)) == 0);
    auto expected = sent;
    expected.dst = on.pod;
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_LOCAL, Verdict::to_stack, expected);
}
