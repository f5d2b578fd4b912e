// States of an SCTP association by the chunks that were seen.
#include "bpf/cast.hpp"
#include "bpf/chunk.hpp"
#include "bpf/expect.hpp"
#include "lb/icmp.h"
#include "lb/sctp.h"

using namespace naru;
using namespace naru::test;

namespace {

/// An association over a frontend with its backend here or elsewhere, played by both ends.
class Association {
public:
    Association(const Cast& cast, bool here) : on_{cast}, here_{here}
    {
        service_ = node.publish({.backends = {here ? local(on_.pod) : remote(on_.away)}});
        node.vip(on_.vip, on_.protocol, service_);
        auto sent = on_.request(on_.vip);
        seen_ = node.ingress(sent, network().uplink).packet();
        flow_ = flow_of(sent, seen_);
    }

    Outcome client(std::uint8_t type) { return client(on_.client, type); }
    Outcome client(const SocketAddress& from, std::uint8_t type)
    {
        auto packet = on_.request(from, on_.vip, ack);
        packet.payload = chunk(type, Bytes(8));
        return node.ingress(packet, network().uplink);
    }
    Outcome backend(std::uint8_t type)
    {
        auto packet = on_.answer(seen_, ack);
        packet.payload = chunk(type, Bytes(8));
        return here_ ? node.egress(packet, network().uplink) : node.ingress(packet, network().uplink);
    }
    void establish()
    {
        backend(LB_SCTP_INIT_ACK);
        client(LB_SCTP_COOKIE_ECHO);
        backend(LB_SCTP_COOKIE_ACK);
    }
    /// The Service has this other backend only.
    void move_to(const SocketAddress& at) { node.publish({.backends = {local(at)}}, service_); }
    const Packet& seen() const { return seen_; }

    /// Both entries agree on it.
    int state() const
    {
        auto forward = node.entry(flow_.forward).value(), reply = node.entry(flow_.reply, !here_).value();
        CHECK(int{forward.state} == int{reply.state});
        return forward.state;
    }

    Host node;

private:
    Cast on_;
    bool here_;
    std::uint32_t service_ = 0;
    Packet seen_;
    Flow flow_;
};

/// The error that a refused packet brings back.
Packet refused(const Outcome& got, lb_reason why)
{
    CHECK(name(got.reason) == name(why));
    CHECK(got.verdict == Verdict::redirect);
    return got.packet();
}

} // namespace

TEST_CASE("an association is established with its cookie, and closes when both sides have shut down")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto here = GENERATE(true, false);
    auto client_first = GENERATE(true, false);
    CAPTURE(on, here, client_first);
    Association association{on, here};
    CHECK(association.state() == LB_CT_OPEN);
    association.backend(LB_SCTP_INIT_ACK);
    CHECK(association.state() == LB_CT_OPEN);
    association.client(LB_SCTP_COOKIE_ECHO);
    CHECK(association.state() == LB_CT_ESTABLISHED);
    association.backend(LB_SCTP_COOKIE_ACK);

    auto send = [&](bool by_client, std::uint8_t type) {
        return by_client ? association.client(type) : association.backend(type);
    };
    send(client_first, LB_SCTP_SHUTDOWN);
    send(client_first, LB_SCTP_SHUTDOWN); // sent again
    send(!client_first, LB_SCTP_DATA);    // what was under way still comes
    CHECK(association.state() == LB_CT_ESTABLISHED);
    send(!client_first, LB_SCTP_SHUTDOWN_ACK);
    CHECK(association.state() == LB_CT_CLOSING);
    CHECK(send(client_first, LB_SCTP_SHUTDOWN_COMPLETE).verdict != Verdict::drop);
    CHECK(association.state() == LB_CT_CLOSING);
}

TEST_CASE("an ABORT of either side closes an association, unless the other side goes on")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto here = GENERATE(true, false);
    auto by_client = GENERATE(true, false);
    CAPTURE(on, here, by_client);
    Association association{on, here};
    association.establish();
    auto got = by_client ? association.client(LB_SCTP_ABORT) : association.backend(LB_SCTP_ABORT);
    CHECK(got.packet().payload.at(0) == LB_SCTP_ABORT); // the other side hears of it
    CHECK(association.state() == LB_CT_CLOSING);
    by_client ? association.backend(LB_SCTP_DATA) : association.client(LB_SCTP_DATA); // its tag was wrong
    CHECK(association.state() == LB_CT_ESTABLISHED);
}

TEST_CASE("an association that its backend refuses is over")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Association association{on, here};
    CHECK(association.backend(LB_SCTP_ABORT).packet().src == on.vip);
    CHECK(association.state() == LB_CT_CLOSING);
}

TEST_CASE("an established association lives as long as a TCP connection, whatever became of its backend")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto here = GENERATE(true, false);
    auto type = GENERATE(LB_SCTP_DATA, LB_SCTP_HEARTBEAT);
    CAPTURE(on, here, type);
    Association association{on, here};
    association.establish();
    association.move_to(on.second);
    association.node.pass(std::chrono::seconds{tcp_established_sec - 1});
    auto kept = association.client(static_cast<std::uint8_t>(type));
    CHECK(kept.packet().dst == association.seen().dst);
    association.node.pass(std::chrono::seconds{tcp_established_sec - 1});
    CHECK(association.backend(static_cast<std::uint8_t>(type)).packet().src == on.vip);
    association.node.pass(std::chrono::seconds{tcp_established_sec});
    CHECK(association.client(LB_SCTP_DATA).packet().dst == on.second);
}

TEST_CASE("an INIT follows an open association as a retransmission, and begins another one later")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Association association{on, true};
    CHECK(association.client(LB_SCTP_INIT).packet().dst == association.seen().dst);
    CHECK(association.state() == LB_CT_OPEN);
    association.establish();
    association.move_to(on.second);
    CHECK(association.client(LB_SCTP_DATA).packet().dst == on.pod);
    CHECK(association.client(LB_SCTP_INIT).packet().dst == on.second);
    CHECK(association.client(LB_SCTP_DATA).verdict != Verdict::drop);
}

TEST_CASE("heartbeats keep an association alive, and are chosen for by nobody where none is known")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto type = GENERATE(LB_SCTP_HEARTBEAT, LB_SCTP_HEARTBEAT_ACK, LB_SCTP_ABORT);
    CAPTURE(on, type);
    Association association{on, true};
    association.establish();
    if (type != LB_SCTP_ABORT)
        CHECK(association.client(static_cast<std::uint8_t>(type)).packet().dst == on.pod);
    check_dropped(association.client(on.other_client, static_cast<std::uint8_t>(type)), LB_NO_FLOW);
    auto inside = on.pod_request(on.vip, ack);
    inside.payload = chunk(static_cast<std::uint8_t>(type), Bytes(8));
    check_dropped(association.node.ingress(inside, network().pod), LB_NO_FLOW);
}

TEST_CASE("what goes on without an entry finds its backend again from outside, and none from inside")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Host node;
    node.vip(on.vip, on.protocol,
             node.publish({.backends = {local(on.pod), local(on.second), remote(on.away)}}));
    auto first = node.ingress(on.request(on.vip), network().uplink).packet();
    node.forget_flows();
    CHECK(node.ingress(on.request(on.vip, ack), network().uplink).packet().dst == first.dst);
    check_dropped(node.ingress(on.pod_request(on.vip, ack), network().pod), LB_NO_FLOW);
}

TEST_CASE("an INIT to an unserved port or without any backend is refused by port unreachable, other chunks "
          "are dropped")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    auto without_backend = GENERATE(true, false);
    CAPTURE(on, without_backend);
    Host node;
    if (without_backend)
        node.vip(on.vip, on.protocol, node.publish({}));
    else
        node.wildcard(on.vip.address);
    auto told = refused(node.ingress(on.request(on.vip), network().uplink),
                        without_backend ? LB_NO_BACKEND : LB_PORT_UNSERVED);
    CHECK(told.protocol == (on.v4() ? proto_icmp : proto_icmp6));
    CHECK(int{told.icmp_type} == (on.v4() ? LB_ICMP_UNREACHABLE : LB_ICMP6_UNREACHABLE));
    CHECK(int{told.icmp_code} == (on.v4() ? LB_ICMP_PORT_UNREACHABLE : LB_ICMP6_PORT_UNREACHABLE));
    CHECK(told.dst.address == on.client.address);
    for (auto flags : {ack, rst})
        check_dropped(node.ingress(on.request(on.vip, flags), network().uplink), LB_NO_FLOW);
}

TEST_CASE("SCTP to the number of a NodePort that is no INIT and of no known association is the host's")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    node.frontend(on.node_port, on.protocol,
                  {.inside = web,
                   .outside = web,
                   .kind = LB_KIND_NODE_PORT,
                   .flags = LB_FRONTEND_NODE_ADDRESS,
                   .pad = 0});
    CHECK(node.ingress(on.request(on.node_port), network().uplink).packet().dst == on.pod);
    for (auto type : {LB_SCTP_INIT_ACK, LB_SCTP_DATA, LB_SCTP_HEARTBEAT, LB_SCTP_ABORT}) {
        auto sent = on.request(on.other_client, on.node_port, ack);
        sent.payload = chunk(static_cast<std::uint8_t>(type), Bytes(8));
        check_untouched(node.ingress(sent, network().uplink), build(sent));
    }
}

TEST_CASE("a tombstone serves a tracked association to its end")
{
    auto on = GENERATE(from_range(casts(proto_sctp)));
    CAPTURE(on);
    Association association{on, true};
    association.establish();
    association.node.frontend(
        on.vip, on.protocol,
        {.inside = 0, .outside = 0, .kind = LB_KIND_LOAD_BALANCER, .flags = LB_FRONTEND_TOMBSTONE, .pad = 0});
    CHECK(association.client(LB_SCTP_DATA).packet().dst == on.pod);
    CHECK(association.backend(LB_SCTP_DATA).packet().src == on.vip);
    CHECK(name(association.client(on.other_client, LB_SCTP_INIT).reason) == name(LB_PORT_UNSERVED));
}
