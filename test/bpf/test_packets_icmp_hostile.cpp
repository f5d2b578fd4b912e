// ICMP errors that nobody honest sends, or that are about other people's packets.
#include <functional>

#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"

using namespace naru;
using namespace naru::test;

namespace {

struct Odd {
    const char* what;
    lb_reason why; ///< at a VIP
    std::function<void(const Cast&, Packet& error, Packet quoted)> change;
};

void cut_to(Packet& error, std::size_t length) { error.payload.resize(length); }
std::size_t header(const Cast& on) { return on.v4() ? 20 : 40; }

const std::vector<Odd> odd_errors{
    {"no quote", LB_MALFORMED, [](auto&, auto& error, auto) { cut_to(error, 0); }},
    {"a quote short of the addresses", LB_MALFORMED,
     [](auto& on, auto& error, auto) { cut_to(error, header(on) - 1); }},
    {"an IP header and nothing behind it", LB_MALFORMED,
     [](auto& on, auto& error, auto) { cut_to(error, header(on)); }},
    {"seven bytes of the transport header", LB_MALFORMED,
     [](auto& on, auto& error, auto) { cut_to(error, header(on) + 7); }},
    {"a quote of another IP version", LB_MALFORMED,
     [](auto& on, auto& error, auto) { error.payload[0] = on.v4() ? 0x65 : 0x45; }},
    {"a header that claims more than is quoted", LB_MALFORMED,
     [](auto& on, auto& error, auto quoted) {
         if (on.v4()) {
             error.payload[0] = 0x4f;
             cut_to(error, 20 + 40 + 7);
         } else {
             quoted.extensions = {{.type = 60, .body = Bytes(14)}};
             error.payload = quote_of(quoted, 8);
             error.payload[41] = 2; // one unit of 8 bytes more than there is
         }
     }},
    {"a quote of a later fragment", LB_NO_FLOW,
     [](auto& on, auto& error, auto quoted) {
         if (on.v4())
             quoted.fragment = 0x2001;
         else
             quoted.extensions = {{.type = 44, .body = {0, 9, 0, 0, 0, 9}}};
         error.payload = quote_of(quoted, whole);
     }},
    {"a quote of an echo reply", LB_NO_FLOW,
     [](auto& on, auto& error, auto quoted) {
         quoted.protocol = on.v4() ? proto_icmp : proto_icmp6;
         quoted.icmp_type = on.v4() ? 0 : 129;
         error.payload = quote_of(quoted, whole);
     }},
    {"an error about an error", LB_NO_FLOW,
     [](auto& on, auto& error, auto quoted) {
         auto inner = error_about(quoted, quoted.src.address, kinds(on).front(), whole, network().uplink);
         inner.dst = quoted.dst;
         error.payload = quote_of(inner, whole);
     }},
    {"a quote of a protocol without ports", LB_NO_FLOW,
     [](auto&, auto& error, auto quoted) {
         quoted.protocol = 47;
         quoted.payload = Bytes(24, 1);
         error.payload = quote_of(quoted, whole);
     }},
    {"a port that nobody used", LB_NO_FLOW,
     [](auto&, auto& error, auto quoted) {
         quoted.dst.port.host ^= 1;
         error.payload = quote_of(quoted, whole);
     }},
    {"a client that nobody knows", LB_NO_FLOW,
     [](auto& on, auto& error, auto quoted) {
         quoted.dst.address = on.other_client.address;
         error.payload = quote_of(quoted, whole);
     }},
    {"a quote of the other transport", LB_NO_FLOW,
     [](auto& on, auto& error, auto quoted) {
         quoted.protocol = on.tcp() ? proto_udp : proto_tcp;
         error.payload = quote_of(quoted, whole);
     }},
    {"a quote sent by somebody else", LB_MALFORMED,
     [](auto& on, auto& error, auto quoted) {
         quoted.src.address = on.other_client.address;
         error.payload = quote_of(quoted, whole);
     }},
};

/// The answer of a flow of this node, as its client gets it.
Packet answer_of_flow(Host& node, const Cast& on)
{
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    auto seen = node.ingress(on.request(on.vip), network().uplink).packet();
    return node.egress(on.answer(seen), network().uplink).packet();
}

} // namespace

TEST_CASE("an error that is about no flow is dropped at a VIP for the right reason, anywhere else left alone")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto quoted = answer_of_flow(node, on);
    for (const auto& odd : odd_errors) {
        CAPTURE(odd.what);
        auto error = error_about(quoted, router(on).address, kinds(on).front(), whole, network().uplink);
        odd.change(on, error, quoted);
        check_dropped(node.ingress(error, network().uplink), odd.why);
        check_untouched(node.egress(error, network().uplink), build(error));

        auto elsewhere = quoted;
        elsewhere.src = on.other_vip;
        error = error_about(elsewhere, router(on).address, kinds(on).front(), whole, network().uplink);
        odd.change(on, error, elsewhere);
        check_untouched(node.ingress(error, network().uplink), build(error));
        check_untouched(node.egress(error, network().uplink), build(error));
    }
}

TEST_CASE("an error from an address that nobody has is dropped")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto quoted = answer_of_flow(node, on);
    std::vector<const char*> sources{"127.0.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255"};
    if (!on.v4())
        sources = {"::1", "::", "ff02::1"};
    for (const char* source : sources) {
        CAPTURE(source);
        auto error = error_about(quoted, addr(source), kinds(on).front(), whole, network().uplink);
        check_dropped(node.ingress(error, network().uplink), LB_MALFORMED);
    }
}

TEST_CASE("redirects and source quench are not translated, whatever they quote")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto quoted = answer_of_flow(node, on);
    if (on.v4()) {
        for (auto kind : {Kind{5, 1, 0}, Kind{4, 0, 0}})
            check_dropped(node.ingress(error_about(quoted, router(on).address, kind, whole, network().uplink),
                                       network().uplink),
                          LB_PROTO_UNSERVED);
    } else {
        auto redirect = error_about(quoted, router(on).address, {137, 0, 0}, whole, network().uplink);
        check_untouched(node.ingress(redirect, network().uplink), build(redirect));
    }
}

TEST_CASE("a first fragment of an error to a VIP is dropped, a later one waits for it in vain")
{
    auto on = GENERATE(from_range(casts()));
    auto first = GENERATE(true, false);
    CAPTURE(on, first);
    Host node;
    auto error =
        error_about(answer_of_flow(node, on), router(on).address, kinds(on).front(), whole, network().uplink);
    if (on.v4())
        error.fragment = first ? 0x2000 : 0x0002;
    else
        error.extensions = {{.type = 44, .body = {0, static_cast<std::uint8_t>(first ? 1 : 16), 0, 0, 0, 9}}};
    auto got = node.ingress(error, network().uplink);
    if (first)
        check_dropped(got, LB_FRAGMENT);
    else
        CHECK(name(got.reason) == "fragment_wait");
}

TEST_CASE("a forged size is the receiver's to judge: it arrives as it was sent")
{
    auto on = GENERATE(from_range(casts()));
    auto mtu = GENERATE(as<std::uint32_t>{}, 0, 68, 1279, 0xffff);
    CAPTURE(on, mtu);
    Host node;
    auto kind = kinds(on).front();
    kind.rest = mtu;
    auto got =
        node.ingress(error_about(answer_of_flow(node, on), router(on).address, kind, whole, network().uplink),
                     network().uplink);
    CHECK(name(got.reason) == name(LB_ICMP_TO_BACKEND));
    CHECK(got.packet().icmp_rest == mtu);
}

TEST_CASE("an error about the host's own packets is the host's, whatever port they had")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    answer_of_flow(node, on);
    for (std::uint16_t port : {std::uint16_t{2000}, std::uint16_t{40000}}) {
        auto own = on.request({on.node(), {port}}, on.away);
        auto error = error_about(own, router(on).address, kinds(on).front(), whole, network().uplink);
        check_untouched(node.ingress(error, network().uplink), build(error));
    }
}
