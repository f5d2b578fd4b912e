// Frames nobody honest sends: ours and broken is dropped for a counted reason, not ours leaves as it came.
#include <functional>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A host that serves the VIP with a backend elsewhere, so that a packet let through shows.
void serve(Host& node, const Cast& on)
{
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
}

void put16(Bytes& frame, std::size_t at, std::size_t value)
{
    frame[at] = static_cast<std::uint8_t>(value >> 8 & 0xff);
    frame[at + 1] = static_cast<std::uint8_t>(value & 0xff);
}

std::size_t length_field(const Cast& on) { return ip_offset() + (on.v4() ? 2u : 4u); }
std::size_t ip_length(const Cast& on, const Bytes& frame)
{
    return frame.size() - ip_offset() - (on.v4() ? 0u : 40u);
}

/// Cuts the frame behind `l4` bytes of the transport header; the IP header agrees.
Bytes cut(const Cast& on, const Packet& packet, std::size_t l4)
{
    auto frame = build(packet);
    frame.resize(l4_offset(packet) + l4);
    put16(frame, length_field(on), ip_length(on, frame));
    return frame;
}

struct Broken {
    const char* what;
    lb_reason why;
    std::function<Bytes(const Cast&, const SocketAddress& to)> frame;
};

Bytes with_protocol(const Cast& on, const SocketAddress& to, std::uint8_t protocol)
{
    auto packet = on.request(to);
    packet.protocol = protocol;
    packet.payload = Bytes(24, 1);
    return build(packet);
}

const std::vector<Broken> broken_frames{
    {"no transport header", LB_MALFORMED, [](auto& on, auto& to) { return cut(on, on.request(to), 0); }},
    {"ports and nothing more", LB_MALFORMED, [](auto& on, auto& to) { return cut(on, on.request(to), 4); }},
    {"a transport header short of one byte", LB_MALFORMED,
     [](auto& on, auto& to) { return cut(on, on.request(to), on.tcp() ? 19 : 7); }},
    {"a total length beyond the frame", LB_MALFORMED,
     [](auto& on, auto& to) {
         auto frame = build(on.request(to));
         put16(frame, length_field(on), ip_length(on, frame) + 1);
         return frame;
     }},
    {"a total length that ends inside the transport header", LB_MALFORMED,
     [](auto& on, auto& to) {
         auto frame = build(on.request(to));
         put16(frame, length_field(on), (on.v4() ? 20u : 0u) + (on.tcp() ? 19u : 7u));
         return frame;
     }},
    {"a total length of nothing", LB_MALFORMED,
     [](auto& on, auto& to) {
         auto frame = build(on.request(to));
         put16(frame, length_field(on), 0);
         return frame;
     }},
    {"DCCP", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 33); }},
    {"GRE", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 47); }},
    {"IP in IP", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 4); }},
    {"ESP", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 50); }},
    {"UDP-Lite", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 136); }},
    {"protocol 255", LB_PROTO_UNSERVED, [](auto& on, auto& to) { return with_protocol(on, to, 255); }},
};

} // namespace

TEST_CASE("broken frames to a VIP are dropped for the right reason, to any other address they are left alone")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve(node, on);
    for (const auto& broken : broken_frames) {
        CAPTURE(broken.what);
        check_dropped(node.ingress(broken.frame(on, on.vip), network().uplink), broken.why);
        auto elsewhere = broken.frame(on, on.other_vip);
        check_untouched(node.ingress(elsewhere, network().uplink), elsewhere);
        check_untouched(node.egress(elsewhere, network().uplink), elsewhere);
    }
}

TEST_CASE("a TCP header that claims less than its minimum is malformed")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto words = GENERATE(0, 1, 4);
    CAPTURE(on, words);
    Host node;
    serve(node, on);
    auto broken = [&](const SocketAddress& to) {
        auto frame = build(on.request(to));
        frame[l4_offset(on.request(to)) + 12] = static_cast<std::uint8_t>(words << 4);
        return frame;
    };
    check_dropped(node.ingress(broken(on.vip), network().uplink), LB_MALFORMED);
    check_untouched(node.ingress(broken(on.other_vip), network().uplink), broken(on.other_vip));
}

TEST_CASE("options and extension headers are carried along, sums stay right")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve(node, on);
    auto sent = on.request({on.client.address, {2000}}, on.vip);
    auto count = GENERATE(1u, 2u, 6u);
    if (on.v4())
        sent.options = Bytes(count * 4, 1);
    else
        sent.extensions.assign(count, {.type = 60, .body = Bytes(6)});

    auto expected = sent;
    expected.src.address = on.node();
    expected.dst = on.away;
    --expected.ttl;
    check_sent(node.ingress(sent, network().uplink), LB_FORWARD_REMOTE, Verdict::redirect, expected);
}

TEST_CASE("a chain of extension headers that is too long or leads nowhere hides the transport")
{
    auto on = casts(proto_tcp).back();
    Host node;
    serve(node, on);
    auto sent = on.request(on.vip);
    sent.extensions.assign(7, {.type = 60, .body = Bytes(6)});
    check_dropped(node.ingress(sent, network().uplink), LB_PROTO_UNSERVED);

    sent.extensions = {{.type = 60, .body = Bytes(6)}};
    auto frame = build(sent);
    frame[ip_offset() + 41] = 0xff; // claims 2 KiB
    check_dropped(node.ingress(frame, network().uplink), LB_PROTO_UNSERVED);
}

TEST_CASE("an IP header that the stack refuses anyway is left to it")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    serve(node, on);
    auto first_bytes = on.v4() ? std::vector<std::uint8_t>{0x44, 0x40, 0x65, 0x05, 0x4f}
                               // version and header length
                               : std::vector<std::uint8_t>{0x40, 0x50, 0x00, 0xf0};
    for (auto first : first_bytes) {
        auto frame = build(on.request(on.vip));
        frame[ip_offset()] = first;
        CAPTURE(int{first});
        check_untouched(node.ingress(frame, network().uplink), frame);
    }
}

TEST_CASE("an IPv6 packet cannot name an IPv4 address")
{
    Host node;
    auto v4 = casts(proto_tcp).front(), v6 = casts(proto_tcp).back();
    serve(node, v4);
    auto frame = build(v6.request(v6.vip));
    auto spoof = GENERATE(as<std::string>{}, "destination", "source", "loopback");
    CAPTURE(spoof);
    auto mapped = spoof == "loopback" ? addr("127.0.0.1") : v4.vip.address;
    std::ranges::copy(mapped.bytes, frame.begin() + static_cast<std::ptrdiff_t>(
                                                        ip_offset() + (spoof == "source" ? 8 : 24)));
    check_untouched(node.ingress(frame, network().uplink), frame);
}

TEST_CASE("a loopback destination does not come from a wire")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto to = on.v4() ? at("127.0.0.1:30080") : at("[::1]:30080");
    check_dropped(node.ingress(on.request(to), network().uplink), LB_LOOPBACK);
    check_dropped(node.ingress(on.pod_request(to), network().pod), LB_LOOPBACK);
    if (on.v4())
        check_dropped(node.ingress(on.request(at("127.255.255.254:80")), network().uplink), LB_LOOPBACK);
}

TEST_CASE("frames that are not IP are left alone")
{
    auto on = casts(proto_tcp).front();
    Host node;
    serve(node, on);
    for (unsigned ethertype : {0x0806u, 0x8100u, 0x88a8u, 0x8847u, 0x88ccu, 0x0026u, 0xffffu}) {
        auto frame = build(on.request(on.vip));
        put16(frame, 12, ethertype);
        CAPTURE(ethertype);
        check_untouched(node.ingress(frame, network().uplink), frame);
        check_untouched(node.egress(frame, network().uplink), frame);
    }
}

TEST_CASE("a frame for another station is not translated twice over")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve(node, on);
    auto sent = on.request(on.vip);
    sent.to_mac = other_mac;
    check_untouched(node.ingress(sent, network().uplink), build(sent));
}

TEST_CASE("a frame for everybody is not translated by every node that hears it")
{
    auto on = GENERATE(from_range(casts()));
    auto to = GENERATE(Mac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, Mac{0x01, 0x00, 0x5e, 0x00, 0x00, 0x01});
    CAPTURE(on);
    Host node;
    serve(node, on);
    auto sent = on.request(on.vip);
    sent.to_mac = to;
    check_untouched(node.ingress(sent, network().uplink), build(sent));
    sent = on.pod_request(on.vip);
    sent.to_mac = to;
    check_untouched(node.ingress(sent, network().pod), build(sent));
}

TEST_CASE("a source that nobody can answer is dropped, served port or not")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve(node, on);
    std::vector<const char*> sources{"127.0.0.1", "0.0.0.0",   "0.1.2.3",
                                     "224.0.0.1", "240.0.0.1", "255.255.255.255"};
    if (!on.v4())
        sources = {"::1", "::", "ff02::1"};
    for (const char* source : sources) {
        CAPTURE(source);
        SocketAddress from{*Address::parse(source), {4000}};
        check_dropped(node.ingress(on.request(from, on.vip), network().uplink), LB_MALFORMED);
        check_dropped(node.ingress(on.request(from, {on.vip.address, {1}}), network().uplink), LB_MALFORMED);
    }
    check_dropped(node.ingress(on.request(on.vip, on.vip), network().uplink), LB_MALFORMED);
}

TEST_CASE("odd TCP flags and port 0 to a VIP are counted and go nowhere")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    serve(node, on);
    CHECK(name(node.ingress(on.request({on.vip.address, {0}}), network().uplink).reason) ==
          name(LB_PORT_UNSERVED));
    if (on.tcp())
        check_dropped(node.ingress(on.request(on.vip, syn | rst), network().uplink), LB_NO_FLOW);
}
