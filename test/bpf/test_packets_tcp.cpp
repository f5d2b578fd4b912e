// States of a TCP connection by the flags that were seen, and frontends whose Service is gone.
#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// A connection over a frontend with its backend here or elsewhere, played by both ends.
class Connection {
public:
    Connection(const Cast& cast, bool here) : on_{cast}, here_{here}
    {
        node.vip(on_.vip, on_.protocol,
                 node.publish({.backends = {here ? local(on_.pod) : remote(on_.away)}}));
        auto sent = on_.request(on_.vip);
        seen_ = node.ingress(sent, network().uplink).packet();
        flow_ = flow_of(sent, seen_);
    }

    Outcome client(std::uint8_t flags) { return request(on_.request(on_.vip, flags)); }
    Outcome request(const Packet& packet) { return node.ingress(packet, network().uplink); }
    Outcome backend(std::uint8_t flags) { return answer(on_.answer(seen_, flags)); }
    Outcome answer(const Packet& packet)
    {
        return here_ ? node.egress(packet, network().uplink) : node.ingress(packet, network().uplink);
    }
    void establish()
    {
        backend(syn | ack);
        client(ack);
    }
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
    Packet seen_;
    Flow flow_;
};

} // namespace

TEST_CASE("a connection is established once the client has spoken after the backend's answer")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Connection connection{on, here};
    CHECK(connection.state() == LB_CT_OPEN);
    connection.client(ack); // nobody has answered yet
    CHECK(connection.state() == LB_CT_OPEN);
    connection.backend(syn | ack);
    CHECK(connection.state() == LB_CT_OPEN);
    connection.client(ack);
    CHECK(connection.state() == LB_CT_ESTABLISHED);
}

TEST_CASE("a connection closes with a RST of either side")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    auto by_client = GENERATE(true, false);
    CAPTURE(on, here, by_client);
    Connection connection{on, here};
    connection.establish();
    auto got = by_client ? connection.client(rst) : connection.backend(rst);
    CHECK(got.packet().tcp_flags == rst); // the other side hears of it
    CHECK(connection.state() == LB_CT_CLOSING);
}

TEST_CASE("a connection closes with the FIN of both sides, not of one")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    auto client_first = GENERATE(true, false);
    CAPTURE(on, here, client_first);
    Connection connection{on, here};
    connection.establish();
    auto send = [&](bool client) { client ? connection.client(fin | ack) : connection.backend(fin | ack); };
    send(client_first);
    CHECK(connection.state() == LB_CT_ESTABLISHED);
    send(client_first); // sent again
    CHECK(connection.state() == LB_CT_ESTABLISHED);
    send(!client_first);
    CHECK(connection.state() == LB_CT_CLOSING);
    CHECK(connection.client(ack).verdict != Verdict::drop); // the last ACK still passes
}

TEST_CASE("a connection that goes on after a RST is established again")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    auto by_client = GENERATE(true, false);
    auto goes_on_by_client = GENERATE(true, false);
    auto flags = GENERATE(as<std::uint8_t>{}, ack, fin | ack);
    CAPTURE(on, here, by_client, goes_on_by_client, int{flags});
    Connection connection{on, here};
    connection.establish();
    auto send = [&](bool client, std::uint8_t with) {
        client ? connection.client(with) : connection.backend(with);
    };
    for (int round = 0; round < 2; ++round) {
        send(by_client, rst);
        send(!by_client, rst | ack);
        CHECK(connection.state() == LB_CT_CLOSING);
        send(goes_on_by_client, flags);
        CHECK(connection.state() == LB_CT_ESTABLISHED);
    }
}

TEST_CASE("nothing revives a connection that was refused, or that both sides have ended")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    auto refused = GENERATE(true, false);
    CAPTURE(on, here, refused);
    Connection connection{on, here};
    if (refused) {
        connection.backend(rst | ack);
    } else {
        connection.establish();
        connection.client(rst);
        connection.client(fin | ack);
        connection.backend(fin | ack);
        CHECK(connection.state() == LB_CT_CLOSING);
        connection.client(rst);
    }
    connection.client(ack);
    connection.backend(ack);
    CHECK(connection.state() == LB_CT_CLOSING);
}

TEST_CASE("a refused connection closes at once")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Connection connection{on, true};
    CHECK(connection.backend(rst | ack).packet().src == on.vip);
    CHECK(connection.state() == LB_CT_CLOSING);
}

TEST_CASE("a SYN sent again by the backend is translated until it has said more")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Connection connection{on, here};
    CHECK(connection.backend(syn | ack).packet().src == on.vip);
    CHECK(connection.backend(syn | ack).packet().src == on.vip);
}

TEST_CASE("a SYN of a backend that has long said more belongs to a connection dialled past the frontend")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Connection connection{on, here};
    connection.establish();
    CHECK(connection.backend(ack).packet().src == on.vip);
    auto direct = on.answer(connection.seen(), syn | ack);
    check_untouched(connection.answer(direct), build(direct));
    if (!here)
        return;             // the port is this node's: nobody dials past the frontend with it
    direct.tcp_flags = ack; // nor are the packets that follow
    check_untouched(connection.answer(direct), build(direct));
}

TEST_CASE("segments far outside the window are translated like all others, and the connection goes on")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    auto flags = GENERATE(as<std::uint8_t>{}, ack, psh | ack, fin | ack, rst);
    CAPTURE(on, here, int{flags});
    Connection connection{on, here};
    connection.establish();
    auto far_off = [&](Packet packet) {
        packet.seq += 0x70000000;
        packet.ack_seq -= 0x70000000;
        packet.payload = bytes("nobody asked");
        return packet;
    };
    for (int round = 0; round < 2; ++round) {
        auto to_backend = far_off(on.request(on.vip, flags)),
             to_client = far_off(on.answer(connection.seen(), flags));
        auto there = connection.request(to_backend).packet(), back = connection.answer(to_client).packet();
        CHECK(there.src == connection.seen().src);
        CHECK(there.dst == connection.seen().dst);
        CHECK(there.seq == to_backend.seq);
        CHECK(back.src == on.vip);
        CHECK(back.dst == on.client);
        CHECK(back.seq == to_client.seq);
        // The ends have thrown that away and go on.
        CHECK(connection.client(ack).packet().dst == connection.seen().dst);
        CHECK(connection.backend(ack).packet().src == on.vip);
        if (flags == rst)
            CHECK(connection.state() == LB_CT_ESTABLISHED);
    }
}

TEST_CASE("a connection that a tombstone leaves alone is left alone to its end, whatever its port was used "
          "for before")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    lb_frontend row{.inside = web,
                    .outside = web,
                    .kind = LB_KIND_NODE_PORT,
                    .flags = LB_FRONTEND_NODE_ADDRESS,
                    .pad = 0};
    node.frontend(on.node_port, on.protocol, row);
    node.egress(on.answer(node.ingress(on.request(on.node_port), network().uplink).packet()),
                network().uplink);
    node.ingress(on.request(on.node_port, ack), network().uplink);
    row.flags |= LB_FRONTEND_TOMBSTONE;
    node.frontend(on.node_port, on.protocol, row);
    for (auto flags : {syn, ack}) {
        auto sent = on.request(on.node_port, flags);
        check_untouched(node.ingress(sent, network().uplink), build(sent));
    }
}

TEST_CASE("a connection dialled anew from the same port starts with a clean memory")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Connection connection{on, true};
    connection.establish();
    connection.backend(ack);
    connection.client(rst);
    CHECK(connection.client(syn).packet().dst == on.pod);
    CHECK(connection.state() == LB_CT_OPEN);
    CHECK(connection.backend(syn | ack).packet().src == on.vip);
}

TEST_CASE("a connection dialled anew from the same port has the same port toward the backend")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    auto here = GENERATE(true, false);
    CAPTURE(on, here);
    Host node;
    node.vip(on.vip, on.protocol, node.publish({.backends = {here ? local(on.pod) : remote(on.away)}}));
    auto sent = on.request({on.client.address, {2000}}, on.vip);
    auto first = node.ingress(sent, network().uplink).packet();
    auto established = on.request(sent.src, on.vip, ack);
    here ? node.egress(on.answer(first), network().uplink) : node.ingress(on.answer(first), network().uplink);
    node.ingress(established, network().uplink);
    CHECK(node.ingress(sent, network().uplink).packet() == first);
}

TEST_CASE("a tombstone serves tracked TCP and nothing else")
{
    auto on = GENERATE(from_range(casts()));
    auto of_vip = GENERATE(true, false);
    CAPTURE(on, of_vip);
    Host node;
    auto web = node.publish({.backends = {local(on.pod)}});
    auto frontend = of_vip ? on.vip : on.node_port;
    auto row = [&](std::uint8_t flags) {
        flags = static_cast<std::uint8_t>(flags | (of_vip ? 0 : LB_FRONTEND_NODE_ADDRESS));
        return lb_frontend{
            .inside = web, .outside = web, .kind = LB_KIND_NODE_PORT, .flags = flags, .pad = 0};
    };
    if (of_vip)
        node.wildcard(on.vip.address);
    node.frontend(frontend, on.protocol, row(0));
    auto seen = node.ingress(on.request(frontend), network().uplink).packet();
    node.egress(on.answer(seen), network().uplink);
    node.ingress(on.request(frontend, ack), network().uplink);
    node.frontend(frontend, on.protocol,
                  row(LB_FRONTEND_TOMBSTONE)); // its Service lives on under other frontends

    auto known = node.ingress(on.request(frontend, ack), network().uplink);
    auto start = node.ingress(on.request({on.other_client.address, {2000}}, frontend, syn), network().uplink);
    auto stray = node.ingress(on.request({on.other_client.address, {2001}}, frontend, ack), network().uplink);
    if (on.tcp())
        CHECK(known.packet().dst == on.pod);
    else
        CHECK(name(known.reason) == name(of_vip ? LB_PORT_UNSERVED : LB_PASS));
    CHECK(name(start.reason) == name(of_vip ? LB_PORT_UNSERVED : LB_PASS));
    CHECK(name(stray.reason) == name(!of_vip ? LB_PASS : on.tcp() ? LB_NO_FLOW : LB_PORT_UNSERVED));
    CHECK(node.egress(on.answer(seen, ack), network().uplink).packet().src == frontend);
}
