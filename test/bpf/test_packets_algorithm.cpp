// naru.io/algorithm: what names the backend of a new flow.
#include <algorithm>
#include <set>

#include "bpf/cast.hpp"
#include "bpf/expect.hpp"

using namespace naru;
using namespace naru::test;

namespace {

using Reached = std::set<SocketAddress>;

/// A VIP, a nodePort and another VIP of one Service over three backends of this node.
struct Placed {
    Host node;
    Cast on;
    std::uint32_t service = 0;

    Placed(const Cast& cast, lb_algorithm algorithm) : on{cast}
    {
        choose(algorithm);
        for (const auto& at : {on.vip, on.other_vip, on.node_port})
            node.vip(at, on.protocol, service);
    }

    void choose(lb_algorithm algorithm)
    {
        service = node.publish(
            {.backends = {local(on.pod), local(on.second), local(on.neighbour)}, .algorithm = algorithm},
            service);
    }

    SocketAddress dial(const SocketAddress& from, const SocketAddress& to)
    {
        return node.ingress(on.request(from, to), network().uplink).packet().dst;
    }

    /// One flow, each time as if it had never been.
    Reached dial_anew(const Packet& packet, const Link& by)
    {
        Reached reached;
        for (int i = 0; i < 60; ++i) {
            node.forget_flows();
            reached.insert(node.ingress(packet, by).packet().dst);
        }
        return reached;
    }

    SocketAddress client(std::uint8_t number, std::uint16_t port) const
    {
        auto address = on.client.address;
        address.bytes[15] = number;
        return {address, {port}};
    }
};

} // namespace

TEST_CASE("sh: a client reaches one backend from every port and by every frontend, and clients are spread")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_SH};
    Reached all;
    for (std::uint8_t number = 1; number < 40; ++number) {
        Reached reached;
        for (std::uint16_t port = 2000; port < 2010; ++port)
            for (const auto& to : {on.vip, on.other_vip, on.node_port})
                reached.insert(placed.dial(placed.client(number, port), to));
        CHECK(reached.size() == 1);
        all.merge(reached);
    }
    CHECK(all.size() == 3);
}

TEST_CASE("dh: all clients of an address reach one backend, whatever port they dial from")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_DH};
    for (const auto& to : {on.vip, on.other_vip, on.node_port}) {
        Reached reached;
        for (std::uint8_t number = 1; number < 40; ++number)
            reached.insert(placed.dial(placed.client(number, 2000 + number), to));
        CHECK(reached.size() == 1);
    }
}

TEST_CASE("dh: addresses of a Service are spread over its backends")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_DH};
    Reached all;
    for (std::uint8_t number = 1; number < 40; ++number) {
        auto vip = on.vip;
        vip.address.bytes[15] = number;
        placed.node.vip(vip, on.protocol, placed.service);
        all.insert(placed.dial(on.client, vip));
    }
    CHECK(all.size() == 3);
}

TEST_CASE("the default is the flow's hash from outside and chance from inside")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_DEFAULT};
    CHECK(placed.dial_anew(on.request(on.vip), network().uplink).size() == 1);
    CHECK(placed.dial_anew(on.pod_request(on.vip), network().pod).size() > 1);
}

TEST_CASE("random: chance places flows from outside, too")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_RANDOM};
    CHECK(placed.dial_anew(on.request(on.vip), network().uplink).size() == 3);
}

TEST_CASE("maglev: a pod's flow reaches the backend that its hash names, like one from outside")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_MAGLEV};
    CHECK(placed.dial_anew(on.pod_request(on.vip), network().pod).size() == 1);
    Reached all;
    for (std::uint16_t port = 2000; port < 2040; ++port) {
        auto packet = on.pod_request(on.vip);
        packet.src.port = {port};
        all.insert(placed.node.ingress(packet, network().pod).packet().dst);
    }
    CHECK(all.size() > 1);
}

TEST_CASE("the middle of a connection that nobody knows has a hash, but no second chance")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_DEFAULT};
    const auto middle = on.request(on.vip, ack);
    CHECK(name(placed.node.ingress(middle, network().uplink).reason) == "forward_local");
    Placed by_chance{on, LB_ALGORITHM_RANDOM};
    CHECK(name(by_chance.node.ingress(middle, network().uplink).reason) == "no_flow");
}

TEST_CASE("another algorithm moves no flow that is there")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Placed placed{on, LB_ALGORITHM_RANDOM};
    const auto dial_all = [&] {
        std::vector<SocketAddress> reached;
        for (std::uint16_t port = 2000; port < 2030; ++port)
            reached.push_back(placed.dial({on.client.address, {port}}, on.vip));
        return reached;
    };
    const auto first = dial_all();
    for (auto algorithm : {LB_ALGORITHM_DH, LB_ALGORITHM_MAGLEV, LB_ALGORITHM_DEFAULT}) {
        placed.choose(algorithm);
        CHECK(dial_all() == first);
    }
}
