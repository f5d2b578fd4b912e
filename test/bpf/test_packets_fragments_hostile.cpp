// Pieces nobody honest sends: no byte of a datagram goes by twice, and what cannot be true goes nowhere.
#include <algorithm>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"
#include "bpf/pieces.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A VIP with a backend elsewhere, and requests of 4,000 bytes to it.
struct Served {
    const Cast& on;
    Host node;
    Packet request;

    explicit Served(const Cast& cast) : on{cast}, request{on.request(on.vip)}
    {
        node.vip(on.vip, on.protocol, node.publish({.backends = {remote(on.away)}}));
        request.payload.resize(4000 - transport_bytes(request) + request.payload.size());
    }
    Outcome in(const Bytes& frame) { return node.ingress(frame, network().uplink); }
    Outcome in(const Part& part) { return in(piece(request, part)); }
    void passes(const Part& part) { CHECK(name(in(part).reason) == name(LB_FORWARD_REMOTE)); }
    void refuses(const Part& part) { check_dropped(in(part), LB_FRAGMENT_OVERLAP); }
};

} // namespace

TEST_CASE("a piece that came before is not sent again, and its datagram goes on")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    served.passes({0, 1000});
    served.refuses({0, 1000});
    served.passes({1000, 2000});
    served.refuses({1000, 2000});
    served.refuses({504, 1496}); // inside what went by
    served.passes({3000, 4000});
    served.refuses({3000, 4000});
    served.passes({2000, 3000});
}

TEST_CASE("a piece that overlaps another one ends its datagram")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    auto second = GENERATE(Part{992, 2000}, Part{8, 2000}, Part{1000, 2008});
    CAPTURE(second.from, second.to);
    Served served{on};
    served.passes({0, 1000});
    served.passes({2000, 3000});
    served.refuses(second);
    served.refuses({1000, 2000});
    served.refuses({3000, 4000});
    served.refuses({0, 1000});
}

TEST_CASE("a second first piece with other ports or another length is refused and not followed")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    served.passes({0, 1000});
    auto other = served.request;
    other.src.port = {1};
    check_dropped(served.in(piece(other, {0, 1000})), LB_FRAGMENT_OVERLAP);
    served.passes({1000, 2000});
    served.refuses({0, 48});
    served.refuses({2000, 4000});
}

TEST_CASE("pieces that a pod sends under a client's name touch no datagram of the client")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto forged = served.request;
    forged.src.port = Port{1}; // what it says of flows is another matter
    forged.to_mac = network().pod.mac;
    (void)served.node.ingress(piece(forged, {0, 1000}), network().pod);
    served.passes({0, 1000});
    (void)served.node.ingress(piece(forged, {1000, 2000}), network().pod);
    served.passes({1000, 2000});
    served.passes({2000, 3000});
    served.passes({3000, 4000});
}

TEST_CASE("another datagram's first piece under the same number ends both")
{
    auto on = GENERATE(from_range(casts(proto_udp)));
    CAPTURE(on);
    Served served{on};
    auto other_port = on.vip;
    other_port.port = Port{static_cast<std::uint16_t>(on.vip.port.host + 1)};
    served.node.vip(other_port, on.protocol, served.node.publish({.backends = {local(on.pod)}}));
    served.passes({0, 1000});
    auto other = served.request;
    other.dst = other_port;
    check_dropped(served.in(piece(other, {0, 1000})), LB_FRAGMENT_OVERLAP);
    served.refuses({1000, 2000});
}

TEST_CASE("a datagram that ends twice, or goes on behind its end, is refused")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    SECTION("another end before it")
    {
        served.passes({0, 1000});
        served.passes({3000, 4000});
        auto shorter = served.request;
        shorter.payload.resize(shorter.payload.size() - 2000);
        check_dropped(served.in(piece(shorter, {1000, 2000})), LB_FRAGMENT_OVERLAP);
    }
    SECTION("an end before what went by")
    {
        served.passes({0, 1000});
        served.passes({2000, 3000});
        auto shorter = served.request;
        shorter.payload.resize(shorter.payload.size() - 2000);
        check_dropped(served.in(piece(shorter, {1000, 2000})), LB_FRAGMENT_OVERLAP);
    }
    SECTION("more behind it")
    {
        served.passes({0, 1000});
        auto shorter = served.request;
        shorter.payload.resize(shorter.payload.size() - 2000);
        CHECK(name(served.in(piece(shorter, {1000, 2000})).reason) == name(LB_FORWARD_REMOTE));
        CHECK(name(served.in(piece(served.request, {2000, 3000})).reason) == name(LB_FRAGMENT_OVERLAP));
    }
}

TEST_CASE("a first piece too small for the ports and flags a decision needs is malformed")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto size = GENERATE(8u, 16u);
    CAPTURE(on, size);
    Served served{on};
    check_dropped(served.in(Part{0, size}), LB_MALFORMED);
    CHECK(name(served.in(Part{size, 1000}).reason) == name(LB_FRAGMENT_WAIT));
    CHECK(served.node.flows().tcp.empty());
}

TEST_CASE("pieces of impossible sizes are malformed")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    check_dropped(served.in(Part{0, 1001}), LB_MALFORMED);
    served.passes({0, 1000});
    check_dropped(served.in(Part{1000, 1999}), LB_MALFORMED);
    check_dropped(served.in(Part{1000, 1000}), LB_MALFORMED);

    auto beyond = served.request; // its last piece would end behind 65,535
    auto frame = piece(beyond, {3000, 4000});
    auto at = on.v4() ? ip_offset() + 6 : l4_offset(beyond) + 2;
    frame[at] = on.v4() ? 0x1f : 0xff;
    frame[at + 1] = on.v4() ? 0xff : 0xf8;
    check_dropped(served.in(frame), LB_MALFORMED);
    served.passes({1000, 2000});
}

TEST_CASE("more holes than can be remembered lose the piece that makes one more")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    served.passes({0, 48});
    for (std::size_t hole = 1; hole < LB_FRAGMENT_RANGES; ++hole)
        served.passes({hole * 96, hole * 96 + 48});
    auto late = Part{LB_FRAGMENT_RANGES * 96, LB_FRAGMENT_RANGES * 96 + 48};
    check_dropped(served.in(late), LB_FRAGMENT);
    served.passes({48, 96});
    served.passes(late);
}

TEST_CASE("a fragment header that hides another one, or options behind it, is not looked behind")
{
    auto on = GENERATE(values({casts(proto_tcp).back(), casts(proto_udp).back()}));
    auto hidden = GENERATE(std::uint8_t{44}, std::uint8_t{60});
    CAPTURE(on, hidden);
    Served served{on};
    auto sent = on.request(on.vip);
    sent.extensions = {{.type = 44}, {.type = hidden}};
    check_dropped(served.in(build(sent)), LB_PROTO_UNSERVED);
    auto elsewhere = on.request(on.other_vip);
    elsewhere.extensions = sent.extensions;
    check_untouched(served.in(build(elsewhere)), build(elsewhere));
}

TEST_CASE("pieces of a datagram that was refused or rejected go nowhere")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    auto unserved = on.request({on.vip.address, {7}});
    unserved.payload.resize(2992);
    if (on.v4())
        CHECK(name(served.in(piece(unserved, {0, 1000})).reason) == name(LB_PORT_UNSERVED));
    CHECK(name(served.in(piece(unserved, {1000, 2000})).reason) == name(LB_FRAGMENT_WAIT));
    CHECK(served.node.fragmented() == 0);
}

TEST_CASE("pieces from nowhere, and to a loopback address, do not wait")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Served served{on};
    served.request.src.address = served.request.dst.address;
    check_dropped(served.in(Part{1000, 2000}), LB_MALFORMED);
    served.request = on.request(on.v4() ? at("127.0.0.1:1") : at("[::1]:1"));
    served.request.payload.resize(3000);
    check_dropped(served.in(Part{1000, 2000}), LB_LOOPBACK);
}

TEST_CASE("at the limit of its table the datagram not heard of for longest goes, others are served")
{
    auto on = casts(proto_udp).front();
    Served served{on};
    for (std::uint32_t id = 0; id < 40000; ++id) {
        auto from = on.client;
        from.address.bytes[15] = static_cast<std::uint8_t>(id >> 12);
        served.request.src = from;
        CHECK(name(served.in(Part{0, 1000, id & 0xfff}).reason) == name(LB_FORWARD_REMOTE));
    }
    CHECK(served.node.fragmented() <= 32768);
    served.passes({1000, 2000, 39999 & 0xfff});
}
