// Sockets that are connected to a UDP backend when it goes.
#include "socket_node.hpp"

#include <algorithm>
#include <chrono>

#include "datapath/udp_gone.hpp"
#include "datapath/udp_sockets.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// The part of the agent that writes tables and tells sockets.
class Teller {
public:
    explicit Teller(SocketNode& node) : node_{node} { restart(); }

    /// As after a kill.
    void restart()
    {
        gone_.reset();
        std::vector<std::string> findings;
        auto opened = UdpGone::open(node_.maps(), node_.kernel().installed(), findings);
        INFO((opened ? "" : opened.error().message()));
        REQUIRE(opened);
        REQUIRE(findings == std::vector<std::string>{});
        gone_.emplace(std::move(*opened));
    }

    void put(const ServiceId& id, const ServiceRow& row) { apply(PutService{id, row}); }
    void put(const ServiceId& id, const std::vector<SocketAddress>& backends) { put(id, udp_row(backends)); }
    void erase(const ServiceId& id) { apply(EraseService{id}); }
    void lead(const FrontendKey& key, const ServiceId& id) { apply(PutFrontend{key, udp_frontend(id)}); }
    void apply(const Change& change)
    {
        auto progress = gone_->apply(node_.kernel(), std::span{&change, 1});
        INFO((progress.error ? progress.error->message() : ""));
        REQUIRE(progress.done == 1);
    }
    void tell()
    {
        auto told = gone_->tell();
        INFO((told ? "" : told.error().message()));
        REQUIRE(told);
    }
    UdpGone& gone() { return *gone_; }

private:
    SocketNode& node_;
    std::optional<UdpGone> gone_;
};

/// What the programs know to have gone, in words.
std::vector<std::string> known(const Maps& maps)
{
    std::vector<std::string> all;
    for (const auto& key : keys<lb_udp_gone_key>(maps.udp_gone))
        all.push_back(SocketAddress{Address::from(key.addr), Port::from(key.port)}.text());
    std::ranges::sort(all);
    return all;
}

using Words = std::vector<std::string>;

} // namespace

TEST_CASE("a connected UDP socket of a host process hears at once that its backend has gone", "[udp_gone]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    Teller agent{node};
    auto id = udp_service("dns", on.family);
    auto first = node.serve("first", on.backend(1)), second = node.serve("second", on.backend(2));
    agent.put(id, {first});
    agent.lead(on.key(), id);
    Udp client{on.socket_of_v6}, waiting{on.socket_of_v6};
    for (auto* each : {&client, &waiting}) {
        each->connect(on.vip());
        REQUIRE(node.ask(*each) == "first as " + on.vip().text());
    }

    agent.put(id, {second});
    agent.tell();
    for (auto* each : {&client, &waiting})
        CHECK(each->receive().first == "ECONNABORTED"); // and not EAGAIN, after two seconds
    CHECK(node.ask(client) == "EDESTADDRREQ");          // it is no longer connected
    CHECK(agent.gone().sockets_ended() == 2);
    client.connect(on.vip());
    CHECK(node.ask(client) == "second as " + on.vip().text());
}

TEST_CASE("only sockets that a frontend led to the backend are ended", "[udp_gone]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    Teller agent{node};
    auto id = udp_service("dns", on.family);
    auto first = node.serve("first", on.backend(1)), second = node.serve("second", on.backend(2));
    auto other_port = node.serve("other port", on.backend(1, 54));
    agent.put(id, {first});
    agent.lead(on.key(), id);
    agent.put(udp_service("more", on.family), {second, other_port});
    agent.lead(on.key(2), udp_service("more", on.family));
    Udp direct{on.socket_of_v6}, left{on.socket_of_v6}, elsewhere{on.socket_of_v6};
    direct.connect(first);
    left.connect(on.vip());
    left.connect(first);
    elsewhere.connect(on.vip(2));
    auto there = node.ask(elsewhere);

    agent.put(id, std::vector<SocketAddress>{});
    agent.tell();
    CHECK(node.ask(direct) == "first as " + first.text());
    CHECK(node.ask(left) == "first as " + first.text());
    CHECK(node.ask(elsewhere) == there);
    CHECK(agent.gone().sockets_ended() == 0);
}

TEST_CASE("sockets stay with a backend that drains, or that another Service still has", "[udp_gone]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    Teller agent{node};
    auto id = udp_service("dns", on.family), other = udp_service("other", on.family);
    auto first = node.serve("first", on.backend(1));
    agent.put(id, {first});
    agent.lead(on.key(), id);
    Udp client{on.socket_of_v6};
    client.connect(on.vip());

    auto draining = udp_row({first});
    draining.backends = {{.at = first, .serving = true, .terminating = true}};
    agent.put(id, draining);
    agent.tell();
    CHECK(node.ask(client) == "first as " + on.vip().text());
    agent.put(id, std::vector<SocketAddress>{});
    agent.put(other, {first});
    agent.tell();
    CHECK(node.ask(client) == "first as " + on.vip().text());
    CHECK(known(node.maps()).empty());
    agent.erase(other);
    agent.tell();
    CHECK(node.ask(client) == "EDESTADDRREQ");
}

TEST_CASE("an address is known to have gone until it is a backend again", "[udp_gone]")
{
    SocketNode node;
    Teller agent{node};
    auto four = udp_service("dns", Family::v4), six = udp_service("dns", Family::v6);
    auto tcp = four;
    tcp.protocol = Protocol::tcp;
    agent.put(four, {udp_at("10.0.0.1", 53), udp_at("10.0.0.2", 53)});
    agent.put(six, {udp_at("fd00::1", 53)});
    agent.put(tcp, {udp_at("10.0.0.3", 53)});
    agent.put(four, {udp_at("10.0.0.2", 53)});
    agent.erase(six);
    agent.erase(tcp);
    auto maps = node.maps();
    CHECK(known(maps).empty());
    agent.tell();
    CHECK(known(maps) == Words{"10.0.0.1:53", "[fd00::1]:53"});
    CHECK(agent.gone().backends() == 2);

    agent.put(four, {udp_at("10.0.0.1", 53)});
    CHECK(known(maps) == Words{"[fd00::1]:53"}); // at once: new sockets are sent there from now on
    agent.tell();
    CHECK(known(maps) == Words{"10.0.0.2:53", "[fd00::1]:53"});
}

TEST_CASE("an agent that starts goes on where the last one ended", "[udp_gone]")
{
    auto on = GENERATE(from_range(udp_cases()));
    CAPTURE(on.what);
    SocketNode node;
    Teller agent{node};
    auto id = udp_service("dns", on.family);
    auto first = node.serve("first", on.backend(1)), second = on.backend(2);
    agent.put(id, {first, second});
    agent.put(id, {first});
    agent.lead(on.key(), id);
    agent.tell();
    auto maps = node.maps();
    REQUIRE(known(maps) == Words{second.text()});
    Udp client{on.socket_of_v6};
    client.connect(on.vip());

    SECTION("what it had written stays")
    {
        agent.restart();
        CHECK(agent.gone().backends() == 1);
        agent.tell();
        CHECK(known(maps) == Words{second.text()});
        CHECK(node.ask(client) == "first as " + on.vip().text());
    }
    SECTION("what came back meanwhile does not")
    {
        REQUIRE(node.kernel().apply(PutService{id, udp_row({first, second})}));
        agent.restart();
        CHECK(known(maps).empty());
    }
    SECTION("sockets it did not come to tell are told")
    {
        REQUIRE(node.kernel().apply(PutService{id, udp_row({})}));
        agent.restart();
        agent.tell();
        CHECK(known(maps) == Words{first.text(), second.text()});
        CHECK(node.ask(client) == "EDESTADDRREQ");
    }
}

TEST_CASE("when the table is full the address that left first makes room", "[udp_gone]")
{
    auto maps = small_maps({.udp_gone = 3});
    lb_node fresh{};
    fresh.abi_version = LB_ABI_VERSION;
    fresh.next_generation = 1;
    fresh.arena_bytes = maps.arena_bytes;
    write(maps.node, 0u, fresh);
    std::vector<std::string> findings;
    auto kernel = Kernel::open(again(maps), LB_DEFAULT_SEED, findings).value();
    auto gone = UdpGone::open(again(maps), {}, findings).value();
    auto id = udp_service("dns", Family::v4);
    auto leave = [&](const SocketAddress& at) {
        const std::vector<Change> comes{PutService{id, udp_row({at})}}, goes{PutService{id, udp_row({})}};
        REQUIRE(gone.apply(kernel, comes).done == 1);
        REQUIRE(gone.apply(kernel, goes).done == 1);
        REQUIRE(gone.tell());
    };
    for (const char* address : {"10.0.0.9", "10.0.0.1", "10.0.0.2"}) {
        leave(udp_at(address, 53));
        // The clock of the entries is too coarse to tell them apart.
        for (const auto& key : keys<lb_udp_gone_key>(maps.udp_gone)) {
            auto entry = read<lb_udp_gone>(maps.udp_gone, key).value();
            entry.since -= 1000;
            write(maps.udp_gone, key, entry);
        }
    }
    gone = UdpGone::open(again(maps), {}, findings).value();
    leave(udp_at("10.0.0.3", 53));
    CHECK(known(maps) == Words{"10.0.0.1:53", "10.0.0.2:53", "10.0.0.3:53"});
    CHECK(gone.backends() == 3);
}

TEST_CASE("a UDP endpoint leaves as fast with a hundred thousand tracked flows as with none", "[udp_gone]")
{
    auto on = udp_cases().front();
    SocketNode node;
    Teller agent{node};
    auto maps = node.maps();
    auto id = udp_service("dns", on.family);
    auto first = node.serve("first", on.backend(1)), second = node.serve("second", on.backend(2));
    agent.put(id, {first, second});
    agent.lead(on.key(), id);
    auto fastest = [&] { // of many: a crowded machine makes some slow, a walk over the table would make all
        auto least = std::chrono::nanoseconds::max();
        for (int i = 0; i < 40; ++i) {
            agent.put(id, {first, second});
            auto began = std::chrono::steady_clock::now();
            agent.put(id, {second});
            agent.tell();
            least = std::min<std::chrono::nanoseconds>(least, std::chrono::steady_clock::now() - began);
        }
        return least;
    };
    auto empty = fastest();

    constexpr std::uint32_t flows = 100'000;
    lb_tuple flow{.src = {},
                  .dst = first.address.raw(),
                  .sport = 1,
                  .dport = 53,
                  .proto = 17,
                  .direction = 0,
                  .pad = 0};
    lb_ct entry{};
    for (std::uint32_t i = 0; i < flows; ++i) {
        flow.src.w32[3] = i;
        REQUIRE(bpf_map_update_elem(maps.ct_any.get(), &flow, &entry, BPF_ANY) == 0);
    }
    auto full = fastest();
    for (std::uint32_t i = 0; i < flows; ++i) {
        flow.src.w32[3] = i;
        (void)bpf_map_delete_elem(maps.ct_any.get(), &flow); // the kernel may have evicted it
    }
    CAPTURE(empty.count(), full.count());
    CHECK(full <
          4 * empty + std::chrono::milliseconds{2}); // one lookup of each alone takes ten times as long
}

TEST_CASE("a UDP socket that has changed since it was listed is not ended", "[udp_gone]")
{
    REQUIRE(std::system("ip link set lo up") == 0);
    auto sockets = UdpSockets::open().value();
    Udp client{false};
    client.bind(udp_at("127.0.0.1", 0));
    client.connect(udp_at("127.0.0.1", 5353));
    std::vector<UdpSocket> listed;
    REQUIRE(sockets.for_each(false, [&](const UdpSocket& each) { listed.push_back(each); }));
    REQUIRE(listed.size() == 1);
    CHECK(listed[0].peer.text() == "127.0.0.1:5353");
    client.connect(udp_at("127.0.0.1", 5354));
    CHECK(sockets.abort(listed[0]));
    CHECK(client.peer() == "127.0.0.1:5354");
    listed[0].peer = udp_at("127.0.0.1", 5354);
    listed[0].cookie += 1; // another socket with the same addresses
    CHECK(sockets.abort(listed[0]));
    CHECK(client.peer() == "127.0.0.1:5354");
    listed[0].cookie -= 1;
    CHECK(sockets.abort(listed[0]));
    CHECK(client.peer() == "ENOTCONN");
}
