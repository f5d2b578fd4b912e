// What holds for any datagram in any pieces, tried with many.
#include <rapidcheck.h>

#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "bpf/pieces.hpp"
#include "lb/hash.h"

using namespace naru;
using namespace naru::test;

namespace {

/// A request of some size, cut somewhere into pieces that each fit the MTU.
Packet any_datagram(const Cast& on, const SocketAddress& to)
{
    auto packet = on.request({on.client.address, {*rc::gen::inRange<std::uint16_t>(1024, 60999)}}, to);
    packet.payload.resize(*rc::gen::inRange<std::size_t>(100, 6000));
    auto random = *rc::gen::arbitrary<std::uint64_t>();
    for (auto& byte : packet.payload)
        byte = static_cast<std::uint8_t>(random = lb_mix(random + 1));
    packet.tos = *rc::gen::arbitrary<std::uint8_t>();
    return packet;
}

std::vector<Part> any_parts(std::size_t size)
{
    auto id = *rc::gen::arbitrary<std::uint16_t>();
    std::vector<Part> parts;
    for (std::size_t at = 0; at < size;) {
        auto length = 8 * *rc::gen::inRange<std::size_t>(at == 0 ? 3 : 1, 178);
        parts.push_back({.from = at, .to = std::min(at + length, size), .id = id});
        at += length;
    }
    return parts;
}

std::vector<Bytes> cut(const Packet& packet, const std::vector<Part>& parts)
{
    std::vector<Bytes> frames;
    for (const auto& part : parts)
        frames.push_back(piece(packet, part));
    return frames;
}

/// What came out of those that were sent on; every other one was dropped, or waits as it came.
template <class Way>
std::vector<Bytes> sent_on(const std::vector<Bytes>& frames, lb_reason why, Way way)
{
    std::vector<Bytes> out;
    for (const auto& frame : frames) {
        auto got = way(frame);
        if (got.reason == why)
            out.push_back(got.frame);
        else if (got.reason == LB_FRAGMENT_WAIT)
            RC_ASSERT(got.frame == frame);
        else
            RC_ASSERT(got.verdict == Verdict::drop);
    }
    return out;
}

Cast any_cast() { return *rc::gen::elementOf(casts()); }

} // namespace

TEST_CASE("whatever pieces a request comes in, the answer in pieces comes from that frontend to that client")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        bool here = *rc::gen::arbitrary<bool>();
        node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
        auto in = [&](const Bytes& frame) { return node.ingress(frame, network().uplink); };
        auto back = [&](const Bytes& frame) {
            return here ? node.egress(frame, network().uplink) : in(frame);
        };
        auto request = any_datagram(on, on.vip);
        auto frames = cut(request, any_parts(transport_bytes(request)));

        auto seen = join(sent_on(frames, here ? LB_FORWARD_LOCAL : LB_FORWARD_REMOTE, in));
        RC_ASSERT(seen.has_value()); // join() insists on right checksums
        RC_ASSERT(seen->payload == request.payload);
        RC_ASSERT(seen->dst == (here ? on.pod : on.away));
        auto answer = on.answer(*seen);
        answer.payload = request.payload;
        auto got = join(
            sent_on(cut(answer, any_parts(transport_bytes(answer))), here ? LB_REPLY : LB_REPLY_SNAT, back));
        RC_ASSERT(got.has_value());
        RC_ASSERT(got->src == request.dst);
        RC_ASSERT(got->dst == request.src);
        RC_ASSERT(got->payload == answer.payload);
    }));
}

TEST_CASE("whatever order its pieces come in, with the early ones looked at again, a datagram arrives whole")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
        auto in = [&](const Bytes& frame) { return node.ingress(frame, network().uplink); };
        auto request = any_datagram(on, on.vip);
        auto parts = any_parts(transport_bytes(request));
        RC_PRE(parts.size() <=
               2 * LB_FRAGMENT_RANGES); // no order of them can make more holes than are remembered
        auto order = *rc::gen::container<std::vector<int>>(parts.size(), rc::gen::arbitrary<int>());
        std::vector<std::pair<int, Part>> shuffled;
        for (std::size_t i = 0; i < parts.size(); ++i)
            shuffled.emplace_back(order[i], parts[i]);
        std::ranges::stable_sort(shuffled, {}, &std::pair<int, Part>::first);
        std::vector<Bytes> frames;
        for (const auto& [rank, part] : shuffled)
            frames.push_back(piece(request, part));
        auto first =
            std::ranges::find(shuffled, std::size_t{0}, [](const auto& one) { return one.second.from; });
        auto early = static_cast<std::size_t>(first - shuffled.begin());

        auto out = sent_on(frames, LB_FORWARD_REMOTE, in);
        RC_ASSERT(out.size() == frames.size() - early);
        for (auto again : sent_on({frames.begin(), frames.begin() + static_cast<std::ptrdiff_t>(early)},
                                  LB_FORWARD_REMOTE, in))
            out.push_back(again);
        auto seen = join(out);
        RC_ASSERT(seen.has_value());
        RC_ASSERT(seen->payload == request.payload);
    }));
}

TEST_CASE("whatever pieces overlap, no byte of a datagram goes by twice")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
        auto request = any_datagram(on, on.vip);
        auto size = transport_bytes(request);
        std::vector<bool> gone(size);
        for (int i = 0; i < 20; ++i) {
            auto from = 8 * *rc::gen::inRange<std::size_t>(0, i == 0 ? 1 : (size - 1) / 8 + 1);
            auto to = std::min(size, from + 8 * *rc::gen::inRange<std::size_t>(3, 100));
            if (from == 0 && to == size)
                continue; // the whole of it is no piece
            auto got = node.ingress(piece(request, {.from = from, .to = to}), network().uplink);
            if (got.reason != LB_FORWARD_REMOTE)
                continue;
            for (auto at = from; at < to; ++at) {
                RC_ASSERT(!gone[at]);
                gone[at] = true;
            }
            if (std::ranges::find(gone, false) == gone.end())
                break; // complete: what follows is another datagram
        }
    }));
}

TEST_CASE("whatever piece is not for a frontend leaves byte for byte as it came, in both directions")
{
    CHECK(rc::check([] {
        Host node;
        auto on = any_cast();
        node.vip(on.vip, on.protocol, node.publish({.backends = {local(on.pod)}}));
        auto packet = any_datagram(on, on.other_vip);
        auto parts = any_parts(transport_bytes(packet));
        auto frame = piece(packet, *rc::gen::elementOf(parts));
        auto behind = ip_offset() + (on.v4() ? 20u : 40u); // every byte of what is not the IP header, or none
        if (*rc::gen::arbitrary<bool>())
            for (int i = 0; i < 4; ++i)
                frame[*rc::gen::inRange(behind, frame.size())] = *rc::gen::arbitrary<std::uint8_t>();
        for (const auto& got : {node.ingress(frame, network().uplink), node.egress(frame, network().uplink),
                                node.ingress(frame, network().pod), node.egress(frame, network().pod)}) {
            RC_ASSERT(got.reason == LB_PASS);
            RC_ASSERT(got.frame == frame);
        }
    }));
}
