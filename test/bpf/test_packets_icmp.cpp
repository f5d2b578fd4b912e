// ICMP errors about translated flows: given to the end they concern, with a quote it knows.
#include <rapidcheck.h>

#include <cstring>

#include "bpf/cast.hpp"
#include "bpf/checksum.hpp"
#include "bpf/expect.hpp"
#include "bpf/icmp_errors.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A flow, and the errors that its packets can meet.
struct Story {
    Packet sent{}, seen{};     ///< the request at the client and behind the node
    Packet answer{}, gotten{}; ///< the answer at the backend and at the client
    Link request_side{};       ///< errors about requests are translated where they go to the client...
    Link answer_side{};        ///< ...and those about answers where they come from it
    bool at_egress = false;    ///< errors about requests are met there
};

/// Client outside, backend on this node.
Story local_story(Host& node, const Cast& on, Packet sent)
{
    Story story{.sent = std::move(sent),
                .request_side = network().uplink,
                .answer_side = network().uplink,
                .at_egress = true};
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    story.seen = node.ingress(story.sent, network().uplink).packet();
    story.answer = on.answer(story.seen);
    story.gotten = node.egress(story.answer, network().uplink).packet();
    return story;
}

/// Client outside, backend on the other node: packets borrow an address of this one.
Story remote_story(Host& node, const Cast& on, Packet sent)
{
    Story story{.sent = std::move(sent),
                .request_side = network().uplink,
                .answer_side = network().uplink,
                .at_egress = false};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    story.seen = node.ingress(story.sent, network().uplink).packet();
    story.answer = on.answer(story.seen);
    story.gotten = node.ingress(story.answer, network().uplink).packet();
    return story;
}

/// A pod of this node, backend elsewhere.
Story pod_story(Host& node, const Cast& on)
{
    Story story{.sent = on.pod_request(on.vip),
                .request_side = network().pod,
                .answer_side = network().pod,
                .at_egress = true};
    node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
    story.seen = node.ingress(story.sent, network().pod).packet();
    story.answer = on.answer(story.seen);
    story.gotten = node.egress(story.answer, network().pod).packet();
    return story;
}

/// A pod that is its own backend.
Story hairpin_story(Host& node, const Cast& on)
{
    Story story{.sent = on.pod_request(on.vip),
                .request_side = network().pod,
                .answer_side = network().pod,
                .at_egress = false};
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
    story.seen = node.ingress(story.sent, network().pod).packet();
    story.answer = on.answer(story.seen);
    story.answer.to_mac = network().pod.mac;
    story.answer.from_mac = pod_mac;
    story.gotten = node.ingress(story.answer, network().pod).packet();
    return story;
}

Outcome meet(Host& node, const Story& story, const Packet& error, bool about_request)
{
    if (about_request && story.at_egress)
        return node.egress(error, story.request_side);
    return node.ingress(error, about_request ? story.request_side : story.answer_side);
}

/// The quoted packet as its sender knows it.
Packet renamed(Packet quoted, const SocketAddress& src, const SocketAddress& dst)
{
    quoted.src = src;
    quoted.dst = dst;
    return quoted;
}

void check_request_error(Host& node, const Story& story, const SocketAddress& from,
                         const SocketAddress& shown, const Kind& kind, std::size_t length,
                         bool past_the_stack)
{
    auto error = error_about(story.seen, from.address, kind, length, story.request_side);
    auto expected = error;
    expected.src.address = shown.address;
    expected.dst.address = story.sent.src.address;
    expected.payload = quote_of(renamed(story.seen, story.sent.src, story.sent.dst), length);
    if (past_the_stack)
        --expected.ttl;
    check_sent(meet(node, story, error, true), LB_ICMP_TO_CLIENT,
               past_the_stack ? Verdict::redirect : Verdict::to_stack, expected);
}

void check_answer_error(Host& node, const Story& story, const SocketAddress& from, const SocketAddress& shown,
                        const Kind& kind, std::size_t length, bool past_the_stack)
{
    auto error = error_about(story.gotten, from.address, kind, length, story.answer_side);
    auto expected = error;
    expected.src.address = shown.address;
    expected.dst.address = story.seen.dst.address;
    expected.payload = quote_of(renamed(story.gotten, story.answer.src, story.answer.dst), length);
    if (past_the_stack)
        --expected.ttl;
    check_sent(meet(node, story, error, false), LB_ICMP_TO_BACKEND,
               past_the_stack ? Verdict::redirect : Verdict::to_stack, expected);
}

} // namespace

TEST_CASE("an error about a request to a backend here reaches the client as one about its own packet")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, eight_bytes + 10, whole);
    CAPTURE(on, length);
    Host node;
    auto story = local_story(node, on, on.request(on.vip));
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type);
        check_request_error(node, story, router(on), router(on), kind, length, false);
        check_request_error(node, story, on.node_port, on.node_port, kind, length, false);
        check_request_error(node, story, on.pod, on.vip, kind, length,
                            false); // the backend has the frontend's name
    }
}

TEST_CASE("an error about the answer of a backend here reaches the backend as one about its own packet")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, eight_bytes + 10, whole);
    CAPTURE(on, length);
    Host node;
    auto story = local_story(node, on, on.request(on.vip));
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type);
        check_answer_error(node, story, router(on), router(on), kind, length, false);
        check_answer_error(node, story, on.client, on.client, kind, length, false);
    }
}

TEST_CASE(
    "an error about a request to a backend elsewhere goes to the client, past the stack, from the frontend")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, eight_bytes + 10, whole);
    CAPTURE(on, length);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type);
        check_request_error(node, story, router(on), on.vip, kind, length, true);
        check_request_error(node, story, on.away, on.vip, kind, length, true);
    }
}

TEST_CASE(
    "an error about the answer of a backend elsewhere goes to the backend, past the stack, from this node")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, eight_bytes + 10, whole);
    CAPTURE(on, length);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type);
        check_answer_error(node, story, router(on), on.node_port, kind, length, true);
        check_answer_error(node, story, on.client, on.node_port, kind, length, true);
    }
}

TEST_CASE("errors about a pod's flow are translated at its device")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, whole);
    CAPTURE(on, length);
    Host node;
    auto story = pod_story(node, on);
    for (const auto& kind : kinds(on)) {
        CAPTURE(kind.type);
        check_request_error(node, story, router(on), router(on), kind, length, false);
        check_request_error(node, story, on.away, on.vip, kind, length, false);
        check_answer_error(node, story, on.pod, on.pod, kind, length, false);
    }
}

TEST_CASE("errors about a flow of a pod with itself go back out of its device")
{
    auto on = GENERATE(from_range(casts()));
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, whole);
    CAPTURE(on, length);
    Host node;
    auto story = hairpin_story(node, on);
    for (bool about_request : {true, false}) {
        const auto& quoted = about_request ? story.seen : story.gotten;
        auto error = error_about(quoted, on.pod.address, kinds(on).front(), length, network().pod);
        auto expected = error;
        std::swap(expected.to_mac, expected.from_mac);
        --expected.ttl;
        expected.src.address = about_request ? on.vip.address : story.seen.src.address;
        expected.dst.address = on.pod.address;
        expected.payload = quote_of(about_request ? renamed(quoted, story.sent.src, story.sent.dst)
                                                  : renamed(quoted, story.answer.src, story.answer.dst),
                                    length);
        check_sent(node.ingress(error, network().pod), about_request ? LB_ICMP_TO_CLIENT : LB_ICMP_TO_BACKEND,
                   Verdict::redirect, expected);
    }
}

TEST_CASE("on one bridge an error about an answer goes straight to the backend")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.neighbour)}}));
    auto sent = on.pod_request(on.vip);
    sent.src.address = on.bridged.address;
    sent.to_mac = network().bridge.mac;
    sent.from_mac = port_pod_mac;
    auto seen = node.ingress(sent, network().port).packet();
    REQUIRE(seen.to_mac == neighbour_mac);
    auto gotten = node.egress(on.answer(seen), network().port).packet();
    auto error = error_about(gotten, on.bridged.address, kinds(on).front(), eight_bytes, network().port);
    error.to_mac = network().bridge.mac;
    error.from_mac = port_pod_mac;
    auto got = node.ingress(error, network().port);
    CHECK(name(got.reason) == name(LB_ICMP_TO_BACKEND));
    CHECK(got.verdict == Verdict::to_stack);
    CHECK(got.packet().dst.address == on.neighbour.address);
    CHECK(got.packet().to_mac == neighbour_mac);
}

TEST_CASE("a quote with options, extension headers or of a first fragment is understood")
{
    auto on = GENERATE(from_range(casts()));
    auto fragment = GENERATE(false, true);
    auto length = GENERATE(as<std::size_t>{}, eight_bytes, whole);
    CAPTURE(on, fragment, length);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    if (on.v4()) {
        story.seen.options = {7, 7, 4, 0, 0, 0, 0, 1}; // record route
        story.seen.fragment = fragment ? 0x2000 : 0x4000;
    } else {
        story.seen.extensions = {{.type = 0}, {.type = 60, .body = Bytes(14)}};
        if (fragment)
            story.seen.extensions.push_back({.type = 44, .body = {0, 1, 0, 0, 0, 9}});
    }
    check_request_error(node, story, router(on), on.vip, kinds(on).front(), length, true);
}

TEST_CASE("an error that has options or extension headers itself is translated like any other")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto story = local_story(node, on, on.request(on.vip));
    auto error = error_about(story.gotten, router(on).address, kinds(on).front(), whole, network().uplink);
    if (on.v4())
        error.options = {1, 1, 1, 0};
    else
        error.extensions = {{.type = 60}};
    auto expected = error;
    expected.dst.address = on.pod.address;
    expected.payload = quote_of(story.answer, whole);
    check_sent(node.ingress(error, network().uplink), LB_ICMP_TO_BACKEND, Verdict::to_stack, expected);
}

TEST_CASE("a quoted UDP checksum that was left out stays out")
{
    auto on = casts(proto_udp).front();
    Host node;
    auto sent = on.request(on.vip);
    sent.udp_checksum = false;
    auto story = remote_story(node, on, sent);
    check_request_error(node, story, router(on), on.vip, kinds(on).front(), whole, true);
}

TEST_CASE("an error tells nothing about its flow: the entries stay as they are")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    auto flow = flow_of(story.sent, story.seen);
    auto forward = *node.entry(flow.forward), reply = *node.entry(flow.reply, true);
    check_request_error(node, story, router(on), on.vip, kinds(on).front(), whole, true);
    check_answer_error(node, story, router(on), on.node_port, kinds(on).front(), whole, true);
    auto now_forward = *node.entry(flow.forward), now_reply = *node.entry(flow.reply, true);
    CHECK(std::memcmp(&forward, &now_forward, sizeof forward) == 0);
    CHECK(std::memcmp(&reply, &now_reply, sizeof reply) == 0);
}

TEST_CASE("an error about a flow that has ended is about no flow")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    node.pass(std::chrono::seconds{tcp_established_sec});
    auto at_vip = error_about(story.gotten, router(on).address, kinds(on).front(), whole, network().uplink);
    check_dropped(node.ingress(at_vip, network().uplink), LB_NO_FLOW);
    auto at_node = error_about(story.seen, router(on).address, kinds(on).front(), whole, network().uplink);
    check_untouched(node.ingress(at_node, network().uplink), build(at_node));
}

TEST_CASE("an error that has used up its own hop limit, or has no way, is dropped and answered with nothing")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Host node;
    auto story = remote_story(node, on, on.request(on.vip));
    auto error = error_about(story.seen, router(on).address, kinds(on).front(), whole, network().uplink);
    error.ttl = 1;
    check_dropped(node.ingress(error, network().uplink), LB_TTL_EXCEEDED);
    error.ttl = 57;
    error.payload.resize(1600);
    check_dropped(node.ingress(error, network().uplink), LB_TOO_BIG);
}

TEST_CASE("an error with any quote of any flow has right checksums and the client's own packet, or one that "
          "was wrong stays so")
{
    CHECK(rc::check([] {
        Host node;
        auto on = *rc::gen::elementOf(casts());
        auto sent = on.request({on.client.address, {*rc::gen::arbitrary<std::uint16_t>()}}, on.vip);
        sent.payload = *rc::gen::container<Bytes>(rc::gen::arbitrary<std::uint8_t>());
        sent.seq = *rc::gen::arbitrary<std::uint32_t>();
        sent.tos = *rc::gen::arbitrary<std::uint8_t>();
        bool here = *rc::gen::arbitrary<bool>(), about_request = *rc::gen::arbitrary<bool>();
        auto story = here ? local_story(node, on, sent) : remote_story(node, on, sent);
        auto length = *rc::gen::inRange<std::size_t>(eight_bytes, 80);
        auto kind = *rc::gen::elementOf(kinds(on));
        RC_PRE(!on.tcp() || length != 17); // half a checksum stays as it was

        const auto& quoted = about_request ? story.seen : story.gotten;
        auto error = error_about(quoted, router(on).address, kind, length, network().uplink);
        auto got = meet(node, story, error, about_request);
        auto packet = got.packet(); // insists on right checksums
        auto known = about_request ? renamed(quoted, sent.src, sent.dst)
                                   : renamed(quoted, story.answer.src, story.answer.dst);
        RC_ASSERT(packet.payload == quote_of(known, length));
        RC_ASSERT(packet.icmp_rest == error.icmp_rest);
        RC_ASSERT(packet.dst.address == known.src.address);

        auto frame = build(error);
        frame.back() ^= 1; // the message's own checksum is wrong now
        auto wrong = about_request && story.at_egress ? node.egress(frame, network().uplink)
                                                      : node.ingress(frame, network().uplink);
        RC_ASSERT(!checksum_errors(wrong.frame).empty());
    }));
}
