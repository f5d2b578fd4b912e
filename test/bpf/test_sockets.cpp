// What real UDP sockets see of the socket programs while Services change.
#include "socket_node.hpp"

#include <sched.h>

#include <algorithm>
#include <set>
#include <thread>

#include "datapath/jiffies.hpp"
#include "datapath/sweep.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// Everything unconnected sockets remember was last used so much earlier.
void age(const Maps& maps, std::uint64_t ticks)
{
    for (const auto& key : keys<lb_sock_udp_key>(maps.sock_udp)) {
        auto entry = read<lb_sock_udp>(maps.sock_udp, key).value();
        entry.last_seen -= ticks;
        write(maps.sock_udp, key, entry);
    }
}

void install(SocketNode& node, const FrontendKey& key, const ServiceId& id,
             const std::vector<SocketAddress>& to)
{
    REQUIRE(node.kernel().apply(PutService{id, udp_row(to)}));
    REQUIRE(node.kernel().apply(PutFrontend{key, udp_frontend(id)}));
}

} // namespace

TEST_CASE("an unconnected UDP socket follows a frontend to its new owner", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    auto first = node.serve("first", on.backend(1)), second = node.serve("second", on.backend(2));
    auto old_owner = udp_service("old", on.family), new_owner = udp_service("new", on.family);
    install(node, on.key(), old_owner, {first});
    auto vip = on.vip();
    Udp client{on.socket_of_v6};
    REQUIRE(node.ask(client, &vip) == "first as " + vip.text());
    install(node, on.key(), new_owner, {second}); // the old one still serves, and has another frontend
    CHECK(node.ask(client, &vip) == "second as " + vip.text());
    CHECK(node.ask(client, &vip) == "second as " + vip.text());
}

TEST_CASE("an unconnected UDP socket keeps its backend while policies come and go", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    std::vector<SocketAddress> all;
    for (int i = 1; i <= 4; ++i)
        all.push_back(node.serve("b" + std::to_string(i), on.backend(i)));
    auto cluster = udp_service("dns", on.family), local = udp_service("dns", on.family, Scope::local);
    install(node, on.key(), cluster, all);
    auto vip = on.vip();
    Udp client{on.socket_of_v6};
    auto kept = node.ask(client, &vip);
    REQUIRE(kept.starts_with("b"));
    std::vector<Backend> one_chosen; // one that this client has not
    for (auto backend : udp_row(all).backends) {
        backend.chosen = backend.at == (kept.starts_with("b1") ? all[1] : all[0]);
        one_chosen.push_back(backend);
    }
    ServiceRow only;
    only.backends = one_chosen;

    REQUIRE(node.kernel().apply(PutService{local, only}));
    REQUIRE(node.kernel().apply(PutFrontend{on.key(), udp_frontend(local)}));
    CHECK(node.ask(client, &vip) == kept);
    Udp fresh{on.socket_of_v6};
    auto others = node.ask(fresh, &vip);
    CHECK(others != kept);
    REQUIRE(node.kernel().apply(PutFrontend{on.key(), udp_frontend(cluster)}));
    REQUIRE(node.kernel().apply(EraseService{local}));
    for (int i = 0; i < 8; ++i) {
        CHECK(node.ask(client, &vip) == kept);
        CHECK(node.ask(fresh, &vip) == others);
    }
}

TEST_CASE("a UDP socket in use keeps its backend and the frontend's name for longer than an idle one",
          "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    auto maps = node.maps();
    auto lifetime = std::uint64_t{node.config().sock_udp_sec} * node.config().hz;
    install(node, on.key(), udp_service("dns", on.family), {node.serve("b1", on.backend(1))});
    auto vip = on.vip();
    Udp client{on.socket_of_v6};
    REQUIRE(node.ask(client, &vip) == "b1 as " + vip.text());
    for (int round = 0; round < 3; ++round) {
        age(maps, lifetime - node.config().hz);
        CHECK(node.ask(client, &vip) == "b1 as " + vip.text());
        auto swept = sweep(maps, node.config(), now_jiffies().value());
        REQUIRE(swept);
        CHECK(swept->deleted == 0);
    }
    age(maps, lifetime);
    REQUIRE(sweep(maps, node.config(), now_jiffies().value()));
    CHECK(keys<lb_sock_udp_key>(maps.sock_udp).empty());
}

TEST_CASE("a UDP socket that is connected again is known by what it dialled last", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    auto first = node.serve("first", on.backend(1)), second = node.serve("second", on.backend(2));
    install(node, on.key(1), udp_service("one", on.family), {first});
    install(node, on.key(2), udp_service("two", on.family), {second});
    install(node, on.key(3), udp_service("three", on.family), {first});
    auto maps = node.maps();

    Udp client{on.socket_of_v6};
    auto dial = [&](const SocketAddress& at) {
        client.connect(at);
        CHECK(client.peer() == at.text());
        return node.ask(client);
    };
    CHECK(dial(on.vip(1)) == "first as " + on.vip(1).text());
    CHECK(dial(on.vip(2)) == "second as " + on.vip(2).text());
    CHECK(dial(on.vip(3)) == "first as " + on.vip(3).text());
    CHECK(keys<std::uint64_t>(maps.sock).size() == 1);
    CHECK(dial(first) ==
          "first as " + first.text()); // past the frontends: the backend is called by its own name
    CHECK(keys<std::uint64_t>(maps.sock).empty());
    CHECK(dial(on.vip(1)) == "first as " + on.vip(1).text());
}

TEST_CASE("session affinity knows sockets by their network namespace, whatever address they have",
          "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    auto maps = node.maps();
    for (const auto& key : keys<lb_affinity_key>(maps.affinity))
        REQUIRE(bpf_map_delete_elem(maps.affinity.get(), &key) == 0);
    std::vector<SocketAddress> all;
    for (int i = 1; i <= 4; ++i)
        all.push_back(node.serve("b" + std::to_string(i), on.backend(i)));
    auto row = udp_row(all);
    row.affinity_timeout_sec = 600;
    REQUIRE(node.kernel().apply(PutService{udp_service("dns", on.family), row}));
    REQUIRE(node.kernel().apply(PutFrontend{on.key(), udp_frontend(udp_service("dns", on.family))}));
    auto vip = on.vip();

    std::set<std::string> reached;
    for (int i = 0; i < 8; ++i) {
        auto own = node.serve("itself", on.backend(20 + i, 9000)); // an address of this namespace
        Udp connected{on.socket_of_v6}, free{on.socket_of_v6};
        connected.bind({own.address, {}});
        connected.connect(vip);
        reached.insert(node.ask(connected));
        free.bind({own.address, {}});
        reached.insert(node.ask(free, &vip));
    }
    CHECK(reached.size() == 1);
    CHECK(keys<lb_affinity_key>(maps.affinity).size() == 1);

    constexpr int namespaces = 12;
    for (int i = 0; i < namespaces; ++i)
        std::thread{[&] {
            if (::unshare(CLONE_NEWNET) == 0)
                Udp{on.socket_of_v6}.try_to_connect(vip); // has no route there: the pick is what counts
        }}.join();
    std::set<std::uint16_t> positions;
    auto entries = keys<lb_affinity_key>(maps.affinity);
    CHECK(entries.size() == namespaces + 1);
    for (const auto& key : entries) {
        CHECK(int{key.by_cookie} == 1);
        positions.insert(read<lb_affinity>(maps.affinity, key).value().position);
    }
    CHECK(positions.size() > 1);
}

TEST_CASE("what a connected UDP socket was told is forgotten with it", "[sockets]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    install(node, on.key(), udp_service("dns", on.family), {node.serve("b1", on.backend(1))});
    auto maps = node.maps();
    {
        Udp client{on.socket_of_v6};
        client.connect(on.vip());
        CHECK(keys<std::uint64_t>(maps.sock).size() == 1);
    }
    CHECK(keys<std::uint64_t>(maps.sock).empty());
}
