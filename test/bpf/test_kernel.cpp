// The tables in the kernel: changes in, maps out, and back after a restart.
#include <catch2/catch.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <latch>
#include <thread>

#include <fmt/format.h>

#include "datapath/kernel.hpp"
#include "model/diff.hpp"
#include "model/plan.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t seed = LB_DEFAULT_SEED;

Address addr(const char* text) { return Address::parse(text).value(); }

Backend backend(const char* address, std::uint16_t port = 80)
{
    return {.at = {addr(address), {port}}, .chosen = true, .serving = true};
}

ServiceId id(const char* name, Family family = Family::v4, Scope scope = Scope::cluster)
{
    return {.key = {"shop", name},
            .uid = std::string{"uid-of-"} + name,
            .port_name = "http",
            .family = family,
            .scope = scope};
}

ServiceRow row(std::vector<Backend> backends)
{
    ServiceRow made;
    made.backends = std::move(backends);
    return made;
}

FrontendKey tcp(const char* address, std::uint16_t port = 80)
{
    return {addr(address), {port}, Protocol::tcp};
}
FrontendKey udp(const char* address, std::uint16_t port = 80)
{
    return {addr(address), {port}, Protocol::udp};
}

FrontendRow to(const ServiceId& service)
{
    FrontendRow made;
    made.inside = service;
    made.outside = service;
    return made;
}

class Agent {
public:
    explicit Agent(
        const Sizes& sizes = {}, GracePeriod::Wait wait = [] { return true; })
        : maps{small_maps(sizes)}, wait_{std::move(wait)}
    {
        lb_node fresh{};
        fresh.abi_version = LB_ABI_VERSION;
        fresh.next_generation = 1;
        fresh.arena_bytes = sizes.arena_bytes;
        write(maps.node, 0u, fresh);
        restart();
    }

    /// As after a kill: the old agent is gone without a word.
    void restart()
    {
        kernel_.reset();
        findings.clear();
        auto opened = Kernel::open(again(maps), seed, findings, wait_);
        REQUIRE(opened);
        kernel_.emplace(std::move(*opened));
    }

    Kernel& kernel() { return *kernel_; }
    const Tables& installed() { return kernel_->installed(); }

    void put(const ServiceId& service, const ServiceRow& value) { done(PutService{service, value}); }
    void put(const FrontendKey& key, const FrontendRow& value) { done(PutFrontend{key, value}); }
    void erase(const ServiceId& service) { done(EraseService{service}); }
    void erase(const FrontendKey& key) { done(EraseFrontend{key}); }
    std::string refusal(const Change& change)
    {
        auto applied = kernel_->apply(change);
        REQUIRE_FALSE(applied);
        return applied.error().what;
    }

    /// Until all that was retired so far can be used again.
    void settle()
    {
        auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{20};
        while (!kernel_->reclaim()) {
            REQUIRE(std::chrono::steady_clock::now() < deadline);
            std::this_thread::sleep_for(std::chrono::milliseconds{1});
        }
    }

    lb_service record(std::uint32_t number) { return read<lb_service>(maps.services, number).value(); }
    std::uint32_t number_of(const char* name)
    {
        for (auto number : keys<std::uint32_t>(maps.names))
            if (std::strcmp(read<lb_service_name>(maps.names, number)->name, name) == 0)
                return number;
        FAIL("no service number stands for " << name);
        return 0;
    }
    Block block(const char* name)
    {
        auto number = number_of(name);
        auto at = record(number);
        auto bytes = arena();
        auto read = decode(std::span{bytes}.subspan(at.block), number, at);
        REQUIRE(read);
        return *read;
    }
    std::vector<std::byte> arena()
    {
        std::vector<std::byte> bytes(maps.arena_bytes);
        auto only = 0u;
        REQUIRE(bpf_map_lookup_elem(maps.arena.get(), &only, bytes.data()) == 0);
        return bytes;
    }
    /// "10.0.0.1@0#1 ..." : address, position, generation.
    std::string places(const ServiceId& service)
    {
        for (auto number : keys<std::uint32_t>(maps.names)) {
            auto name = read<lb_service_name>(maps.names, number).value();
            if (name.name != service.key.name || name.scope != static_cast<std::uint8_t>(service.scope))
                continue;
            auto at = record(number);
            auto bytes = arena();
            std::string text;
            auto block = decode(std::span{bytes}.subspan(at.block), number, at).value();
            for (std::size_t i = 0; i < block.rows.size(); ++i)
                if (const auto& each = block.rows[i]; each.generation)
                    text += fmt::format("{}@{}#{} ", Address::from(each.addr).text(), i, each.generation);
            return text;
        }
        return "not there";
    }
    std::uint32_t generation(const char* name, const char* address)
    {
        for (const auto& each : block(name).rows)
            if (each.generation && Address::from(each.addr) == addr(address))
                return each.generation;
        FAIL("no backend " << address);
        return 0;
    }
    std::optional<lb_frontend> frontend(const FrontendKey& key)
    {
        lb_frontend_key raw{};
        raw.addr = key.address.raw();
        raw.port = key.port.raw();
        raw.proto = key.protocol ? static_cast<std::uint8_t>(*key.protocol) : std::uint8_t{0};
        return read<lb_frontend>(maps.frontends, raw);
    }

    bool found(const std::string& words)
    {
        return std::ranges::any_of(findings, [&](const auto& line) { return line.contains(words); });
    }

    Maps maps;
    std::vector<std::string> findings;

private:
    void done(const Change& change)
    {
        auto applied = kernel_->apply(change);
        INFO((applied ? "" : applied.error().message()));
        REQUIRE(applied);
    }

    GracePeriod::Wait wait_;
    std::optional<Kernel> kernel_;
};

/// A bit of everything the tables can say.
Tables rich(Agent& node)
{
    auto near = backend("10.0.0.2"), leaving = backend("10.0.0.3");
    near.local = true;
    leaving.chosen = false;
    leaving.terminating = true;
    auto web = row({backend("10.0.0.1"), near, leaving});
    web.affinity_timeout_sec = 10800;
    web.type = LB_TYPE_LOAD_BALANCER;
    web.source_ranges = {*Cidr::parse("10.1.0.0/16"), *Cidr::parse("192.0.2.0/24")};
    auto local = row({});
    local.drop_if_empty = true;
    local.type = LB_TYPE_NODE_PORT;
    auto six = row({backend("fd00::1", 8080)});
    six.source_ranges = {*Cidr::parse("2001:db8::/32")};
    node.put(id("web"), web);
    node.put(id("web", Family::v4, Scope::local), local);
    node.put(id("web", Family::v6), six);

    FrontendRow split;
    split.kind = LB_KIND_LOAD_BALANCER;
    split.inside = id("web");
    split.outside = id("web", Family::v4, Scope::local);
    split.ranges = true;
    split.admits_node = true;
    node.put(tcp("203.0.113.5"), split);
    auto node_port = to(id("web"));
    node_port.kind = LB_KIND_NODE_PORT;
    node_port.node_address = true;
    node.put(udp("192.0.2.1", 30080), node_port);
    node_port.host_only = true;
    node.put(tcp("127.0.0.1", 30080), node_port);
    node.put(tcp("fd96::1"), to(id("web", Family::v6)));
    FrontendRow wildcard;
    wildcard.kind = static_cast<lb_frontend_kind>(0);
    node.put(FrontendKey{addr("203.0.113.5"), {}, {}}, wildcard);
    return node.installed();
}

} // namespace

TEST_CASE("the tables come back after a restart as they were written", "[kernel]")
{
    Agent node;
    auto before = rich(node);
    REQUIRE(before.services.size() == 3);
    REQUIRE(before.frontends.size() == 5);
    node.restart();
    CHECK(render(node.installed()) == render(before));
    CHECK(node.installed() == before);
    CHECK(node.findings.empty());
}

TEST_CASE("everything erased leaves nothing in the maps but tombstones of TCP", "[kernel]")
{
    Agent node;
    auto before = rich(node);
    for (const auto& [key, unused] : before.frontends)
        node.erase(key);
    for (const auto& [service, unused] : before.services)
        node.erase(service);

    CHECK(node.installed().empty());
    CHECK(keys<std::uint32_t>(node.maps.names).empty());
    CHECK(keys<lb_range_key>(node.maps.ranges).empty());
    for (std::uint32_t number = 0; number < 64; ++number)
        CHECK(node.record(number).block == 0);
    CHECK(keys<lb_frontend_key>(node.maps.frontends).size() == 2);
    auto tombstone = node.frontend(tcp("203.0.113.5"));
    REQUIRE(tombstone);
    CHECK(tombstone->flags == LB_FRONTEND_TOMBSTONE);
    CHECK(tombstone->inside == 0);
    CHECK(tombstone->outside == 0);
    CHECK_FALSE(node.frontend(udp("192.0.2.1", 30080)));
    CHECK_FALSE(node.frontend(tcp("127.0.0.1", 30080)));

    SECTION("and a restart finds nothing, tombstones left alone")
    {
        node.restart();
        CHECK(node.installed().empty());
        CHECK(node.findings.empty());
        CHECK(node.frontend(tcp("203.0.113.5")));
    }
    SECTION("and the same tables can be written again over the tombstones")
    {
        auto after = rich(node);
        CHECK(after == before);
        CHECK(node.frontend(tcp("203.0.113.5"))->flags == (LB_FRONTEND_RANGES | LB_FRONTEND_ADMITS_NODE));
    }
}

TEST_CASE("survivors keep position and generation, newcomers get a generation never used before", "[kernel]")
{
    Agent node;
    node.put(id("web"), row({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")}));
    auto third = node.generation("web", "10.0.0.3");
    auto rows_before = node.block("web").rows;

    node.put(id("web"), row({backend("10.0.0.1"), backend("10.0.0.3")}));
    CHECK(node.generation("web", "10.0.0.3") == third);
    node.restart();
    node.put(id("web"), row({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")}));

    auto rows = node.block("web").rows;
    REQUIRE(rows.size() == 3);
    CHECK(Address::from(rows[1].addr) == addr("10.0.0.2"));
    CHECK(rows[0].generation == rows_before[0].generation);
    CHECK(rows[2].generation == third);
    CHECK(rows[1].generation > third);
    auto counter = read<lb_node>(node.maps.node, 0u)->next_generation;
    CHECK(counter == rows[1].generation + 1);
}

TEST_CASE("a backend has one position and one generation in both sets of its Service port", "[kernel]")
{
    Agent node;
    auto cluster = id("web"), local = id("web", Family::v4, Scope::local);
    auto six = id("web", Family::v6, Scope::local);
    node.put(id("ant"), row({backend("10.9.0.1"), backend("10.9.0.2")}));
    node.put(id("zebra", Family::v4, Scope::local), row({backend("10.9.0.3")}));
    node.put(cluster, row({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")}));
    node.put(cluster, row({backend("10.0.0.2"), backend("10.0.0.3")}));
    CHECK(node.places(cluster) == "10.0.0.2@1#5 10.0.0.3@2#6 ");
    node.put(local, row({backend("10.0.0.2"), backend("10.0.0.3")}));
    CHECK(node.places(local) == node.places(cluster));

    auto changed = row({backend("10.0.0.0"), backend("10.0.0.3"), backend("10.0.0.4")});
    node.put(cluster, changed);
    node.restart();
    node.put(local, changed);
    CHECK(node.places(local) == node.places(cluster));
    CHECK(node.places(local) == "10.0.0.0@0#7 10.0.0.3@2#6 10.0.0.4@3#8 ");

    node.erase(local);
    node.put(local, changed);
    CHECK(node.places(local) == node.places(cluster));
    node.erase(cluster);
    node.put(cluster, changed);
    CHECK(node.places(local) == node.places(cluster));
    node.put(six, row({backend("fd00::1")})); // another family: not its sibling
    CHECK(node.generation("ant", "10.9.0.1") == 1);
}

TEST_CASE("a row that is installed already is not published again", "[kernel]")
{
    Agent node;
    auto web = row({backend("10.0.0.1"), backend("10.0.0.2")});
    node.put(id("web"), web);
    auto before = node.record(1);
    node.put(id("web"), web);
    CHECK(node.record(1).block == before.block);
    auto idle = backend("10.0.0.1");
    idle.chosen = false;
    node.put(id("web"), row({idle, backend("10.0.0.2")}));
    CHECK(node.record(1).block != before.block);
}

TEST_CASE("a full arena refuses a service as a whole and has room again when another goes", "[kernel]")
{
    Agent node{{.arena_bytes = 3072}};
    std::vector<Backend> many;
    for (int i = 1; i <= 20; ++i)
        many.push_back(backend(("10.0.0." + std::to_string(i)).c_str()));
    node.put(id("small"), row({backend("10.0.0.1")}));
    node.put(tcp("10.96.0.1"), to(id("small")));
    node.put(id("large"), row(many));
    auto before = node.installed();
    auto counter = read<lb_node>(node.maps.node, 0u)->next_generation;

    auto wanted = row(many);
    wanted.source_ranges = {*Cidr::parse("10.0.0.0/8")};
    auto why = node.refusal(PutService{id("other"), wanted});
    CHECK(why.contains("shop/other:http/TCP v4 cluster: lb_arena has no room for"));
    CHECK(why.contains("nothing was changed"));
    CHECK(node.installed() == before);
    CHECK(keys<std::uint32_t>(node.maps.names).size() == 2);
    CHECK(keys<lb_range_key>(node.maps.ranges).empty());
    CHECK(read<lb_node>(node.maps.node, 0u)->next_generation == counter);

    node.erase(id("large"));
    node.settle();
    node.put(id("other"), wanted);
    CHECK(node.block("other").rows.size() == 20);
    CHECK(node.number_of("other") == 2);
}

TEST_CASE("a full frontend map refuses the row and keeps the others", "[kernel]")
{
    Agent node{{.frontends = 4}};
    node.put(id("web"), row({backend("10.0.0.1")}));
    std::uint16_t port = 1;
    std::string why;
    for (; port < 100 && why.empty(); ++port)
        if (auto applied = node.kernel().apply(PutFrontend{tcp("10.96.0.1", port), to(id("web"))}); !applied)
            why = applied.error().what;
    CHECK(why == "frontend 10.96.0.1:" + std::to_string(port - 1) +
                     "/TCP: lb_frontends is full; nothing was changed");
    auto fitted = node.installed().frontends.size();
    CHECK(fitted == keys<lb_frontend_key>(node.maps.frontends).size());
    CHECK(fitted >= 4);

    // Rows that are there can still change, and the service is held by exactly those.
    auto changed = to(id("web"));
    changed.kind = LB_KIND_EXTERNAL_IP;
    node.put(tcp("10.96.0.1", 1), changed);
    CHECK(node.frontend(tcp("10.96.0.1", 1))->kind == LB_KIND_EXTERNAL_IP);
    for (std::uint16_t each = 1; each < port - 1; ++each)
        node.erase(tcp("10.96.0.1", each));
    node.erase(id("web"));
    CHECK(node.installed().empty());
}

TEST_CASE("source ranges that do not fit refuse the service before anything is written", "[kernel]")
{
    Agent node{{.ranges = 3}};
    auto web = row({backend("10.0.0.1")});
    web.source_ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("172.16.0.0/12")};
    node.put(id("web"), web);
    auto other = row({backend("10.0.0.2")});
    other.source_ranges = web.source_ranges;
    auto why = node.refusal(PutService{id("other"), other});
    CHECK(why.contains("lb_ranges has no room for 2 source ranges (2 of 3 are used); nothing was changed"));
    CHECK(keys<std::uint32_t>(node.maps.names).size() == 1);
    CHECK(node.installed().services.size() == 1);

    other.source_ranges = {*Cidr::parse("10.0.0.0/8")};
    node.put(id("other"), other);
    CHECK(keys<lb_range_key>(node.maps.ranges).size() == 3);
}

TEST_CASE("source ranges are there before their frontend and gone only after it", "[kernel]")
{
    Agent node;
    auto web = row({backend("10.0.0.1")});
    web.source_ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("172.16.0.0/12")};
    auto guarded = to(id("web"));
    guarded.ranges = true;
    std::map<FrontendKey, FrontendRow> rows{{udp("203.0.113.5"), guarded}}; // leaves no tombstone
    Tables wanted{.services = {{id("web"), web}}, .frontends = rows};
    auto ranges = [&] { return keys<lb_range_key>(node.maps.ranges).size(); };
    auto frontends = [&] { return keys<lb_frontend_key>(node.maps.frontends).size(); };
    std::vector<std::pair<std::size_t, std::size_t>> seen; // ranges and frontends after each change
    auto watched = [&](const std::vector<Change>& changes) {
        auto failed = carry_out(changes, node.installed(), one_by_one([&](const Change& change) {
                                    auto done = node.kernel().apply(change);
                                    seen.emplace_back(ranges(), frontends());
                                    return done;
                                }));
        CHECK(failed.empty());
        return std::exchange(seen, {});
    };
    using Steps = decltype(seen);
    CHECK(watched(diff({}, wanted)) == Steps{{2, 0}, {2, 1}});
    CHECK(watched(diff(wanted, {})) == Steps{{2, 0}, {0, 0}});
}

TEST_CASE("changed source ranges leave exactly the new ones in force", "[kernel]")
{
    Agent node;
    auto web = row({backend("10.0.0.1")});
    web.source_ranges = {*Cidr::parse("10.0.0.0/8"), *Cidr::parse("172.16.0.0/12")};
    node.put(id("web"), web);
    web.source_ranges = {*Cidr::parse("10.1.0.0/16"), *Cidr::parse("172.16.0.0/12")};
    node.put(id("web"), web);

    auto in_force = [&](const char* address) {
        lb_range_key key{
            .prefixlen = 32 + 128, .service = node.number_of("web"), .addr = addr(address).raw()};
        return read<std::uint32_t>(node.maps.ranges, key).has_value();
    };
    CHECK(in_force("10.1.2.3"));
    CHECK_FALSE(in_force("10.2.2.3"));
    CHECK(in_force("172.16.0.1"));
    CHECK(keys<lb_range_key>(node.maps.ranges).size() == 2);
    auto before = node.installed();
    node.restart();
    CHECK(node.installed() == before);
}

TEST_CASE("space and number of what is gone are not used before the grace period has passed", "[kernel]")
{
    std::latch over{1};
    auto wait = [&] {
        over.wait();
        return true;
    };
    {
        Agent node{{}, wait};
        node.put(id("a"), row({backend("10.0.0.1")}));
        auto first = node.record(1).block;
        node.put(id("a"), row({backend("10.0.0.2")}));
        node.put(id("b"), row({backend("10.0.0.3")}));
        node.erase(id("b"));
        CHECK_FALSE(node.kernel().reclaim());
        node.put(id("c"), row({backend("10.0.0.4")}));
        CHECK(node.number_of("c") == 3);
        CHECK(node.record(3).block != first);

        over.count_down();
        node.settle();
        node.put(id("d"), row({backend("10.0.0.5")}));
        CHECK(node.number_of("d") == 2);
        CHECK(node.record(2).block == first);
    }
}

TEST_CASE("a frontend needs its services, and they cannot go before it", "[kernel]")
{
    Agent node;
    auto why = node.refusal(PutFrontend{tcp("10.96.0.1"), to(id("web"))});
    CHECK(why ==
          "frontend 10.96.0.1:80/TCP: its service shop/web:http/TCP v4 cluster is not installed; nothing was "
          "changed");
    CHECK_FALSE(node.frontend(tcp("10.96.0.1")));

    node.put(id("web"), row({backend("10.0.0.1")}));
    node.put(id("other"), row({backend("10.0.0.1")}));
    node.put(tcp("10.96.0.1"), to(id("web")));
    CHECK(node.refusal(EraseService{id("web")}).contains("frontends still name it"));
    node.restart();
    CHECK(node.refusal(EraseService{id("web")}).contains("frontends still name it"));
    node.put(tcp("10.96.0.1"), to(id("other")));
    node.erase(id("web"));
    CHECK(node.installed().services.size() == 1);
}

TEST_CASE("a Service made again under its name is another service", "[kernel]")
{
    Agent node;
    node.put(id("web"), row({backend("10.0.0.1")}));
    auto generation = node.generation("web", "10.0.0.1");
    auto anew = id("web");
    anew.uid = "another";
    node.put(anew, row({backend("10.0.0.1")}));
    CHECK(node.installed().services.size() == 2);
    node.erase(id("web"));
    CHECK(node.number_of("web") == 2);
    CHECK(node.generation("web", "10.0.0.1") != generation);
}

TEST_CASE("what one service cannot hold is refused with the reason", "[kernel]")
{
    Agent node;
    auto named = id("web");
    named.key.ns = std::string(64, 'n');
    CHECK(node.refusal(PutService{named, {}}).contains("more than 63 bytes"));
    named = id("web");
    named.uid = std::string(40, 'u');
    CHECK(node.refusal(PutService{named, {}}).contains("the uid has more than 39 bytes"));
    std::vector<Backend> many;
    for (unsigned i = 0; i <= LB_MAX_ROWS; ++i) {
        auto each = backend("10.0.0.1");
        each.at.address.bytes[13] = static_cast<std::uint8_t>(i >> 16);
        each.at.address.bytes[14] = static_cast<std::uint8_t>(i >> 8);
        each.at.address.bytes[15] = static_cast<std::uint8_t>(i);
        many.push_back(each);
    }
    CHECK(node.refusal(PutService{id("web"), row(many)}).contains("32769 backends are more than the 32768"));
    CHECK(node.installed().empty());
    CHECK(keys<std::uint32_t>(node.maps.names).empty());
}

TEST_CASE("the type of a service is kept for readers", "[kernel]")
{
    Agent node;
    auto web = row({backend("10.0.0.1")});
    node.put(id("web"), web);
    web.type = LB_TYPE_NODE_PORT;
    node.put(id("web"), web);
    CHECK(read<lb_service_name>(node.maps.names, 1u)->type == LB_TYPE_NODE_PORT);
    node.restart();
    CHECK(node.installed().services.at(id("web")).type == LB_TYPE_NODE_PORT);
}

TEST_CASE("the node's addresses of last resort are written without touching its counter", "[kernel]")
{
    Agent node;
    node.put(id("web"), row({backend("10.0.0.1")}));
    auto counter = read<lb_node>(node.maps.node, 0u)->next_generation;
    auto v4 = addr("192.0.2.1"), v6 = addr("2001:db8::1");
    REQUIRE(node.kernel().set_primary(&v4, &v6));
    auto value = read<lb_node>(node.maps.node, 0u).value();
    CHECK(Address::from(value.primary4) == v4);
    CHECK(Address::from(value.primary6) == v6);
    CHECK(value.next_generation == counter);
    REQUIRE(node.kernel().set_primary(&v6, nullptr));
    value = read<lb_node>(node.maps.node, 0u).value();
    CHECK(Address::from(value.primary4) == v4);
    CHECK(Address::from(value.primary6) == Address{});
}

TEST_CASE("maps that contradict themselves are found at start, left out and removed", "[kernel]")
{
    Agent node;
    node.put(id("a"), row({backend("10.0.0.1")}));
    node.put(id("b"), row({backend("10.0.0.2")}));
    node.put(tcp("10.96.0.1"), to(id("a")));
    node.put(udp("10.96.0.1"), to(id("a")));
    node.put(tcp("10.96.0.2"), to(id("b")));
    auto a = node.record(1);

    auto only_b_is_left = [&] {
        CHECK(node.installed().services.size() == 1);
        CHECK(node.installed().services.contains(id("b")));
        CHECK(node.installed().frontends.size() == 1);
        CHECK(node.record(1).block == 0);
        CHECK(node.frontend(tcp("10.96.0.1"))->flags == LB_FRONTEND_TOMBSTONE);
        CHECK_FALSE(node.frontend(udp("10.96.0.1")));
        CHECK(node.found("frontend 10.96.0.1:80/TCP: it names service number 1, which is not there"));
        // Nothing is left to be found a second time, and the name can be installed again.
        node.restart();
        CHECK(node.findings.empty());
        node.put(id("a"), row({backend("10.0.0.9")}));
        CHECK(node.number_of("a") == 1);
    };

    SECTION("a record out of the arena")
    {
        a.block = node.maps.arena_bytes + 32;
        write(node.maps.services, 1u, a);
        node.restart();
        CHECK(node.found("service number 1: shop/a:http/TCP v4 cluster, its record leads out of the arena"));
        only_b_is_left();
    }
    SECTION("a record that claims more rows than its block has")
    {
        a.rows = 300;
        write(node.maps.services, 1u, a);
        node.restart();
        CHECK(node.found("its record and its block contradict each other"));
        only_b_is_left();
    }
    SECTION("a block that runs over the end of the arena")
    {
        a.rows = 32000;
        write(node.maps.services, 1u, a);
        node.restart();
        CHECK(node.found("its record and its block contradict each other"));
        only_b_is_left();
    }
    SECTION("a name that cannot be read")
    {
        auto name = read<lb_service_name>(node.maps.names, 1u).value();
        std::memset(name.ns, 'x', sizeof name.ns);
        write(node.maps.names, 1u, name);
        node.restart();
        CHECK(node.found("service number 1: its name cannot be read"));
        only_b_is_left();
    }
    SECTION("a record without a name")
    {
        auto number = 1u;
        REQUIRE(bpf_map_delete_elem(node.maps.names.get(), &number) == 0);
        node.restart();
        CHECK(node.found("service number 1: it has a record and no name"));
        only_b_is_left();
    }
}

TEST_CASE("two numbers for one service, or one block for two, are found at start", "[kernel]")
{
    Agent node;
    node.put(id("a"), row({backend("10.0.0.1"), backend("10.0.0.2"), backend("10.0.0.3")}));
    node.put(id("b"), row({}));
    SECTION("the same name twice")
    {
        write(node.maps.names, 2u, read<lb_service_name>(node.maps.names, 1u).value());
        node.restart();
        CHECK(node.found("service number 2: shop/a:http/TCP v4 cluster, which number 1 is too"));
    }
    SECTION("overlapping blocks that read well each for itself")
    {
        // An empty service is a header only: 2, then zeros. As slots these are positions of the other's rows.
        auto header = encode(node.block("b"), 2);
        auto record = node.record(2);
        record.block = node.record(1).block + sizeof(lb_block) + 3 * sizeof(lb_backend);
        auto bytes = node.arena();
        std::memcpy(bytes.data() + record.block, header.data(), header.size());
        auto only = 0u;
        REQUIRE(bpf_map_update_elem(node.maps.arena.get(), &only, bytes.data(), BPF_ANY) == 0);
        write(node.maps.services, 2u, record);
        node.restart();
        CHECK(node.found("service number 2: shop/b:http/TCP v4 cluster, its block overlaps another one"));
    }
    CHECK(node.installed().services.size() == 1);
    CHECK(node.installed().services.contains(id("a")));
    CHECK(node.record(2).block == 0);
}

TEST_CASE("a counter of generations that fell behind is brought forward", "[kernel]")
{
    Agent node;
    node.put(id("a"), row({backend("10.0.0.1"), backend("10.0.0.2")}));
    auto value = read<lb_node>(node.maps.node, 0u).value();
    value.next_generation = 1;
    write(node.maps.node, 0u, value);
    node.restart();
    CHECK(node.found("lb_node: its next generation is 1, but 2 is in use"));
    node.put(id("b"), row({backend("10.0.0.3")}));
    CHECK(node.generation("b", "10.0.0.3") == 3);
}

TEST_CASE("a service whose writing was interrupted leaves nothing behind and is no finding", "[kernel]")
{
    Agent node;
    node.put(id("a"), row({backend("10.0.0.1")}));
    auto name = read<lb_service_name>(node.maps.names, 1u).value();
    std::strcpy(name.name, "half");
    write(node.maps.names, 2u, name);
    write(node.maps.ranges,
          lb_range_key{.prefixlen = 32 + 96 + 8, .service = 2, .addr = addr("10.0.0.0").raw()}, 1u);
    node.restart();
    CHECK(node.findings.empty());
    CHECK(node.installed().services.size() == 1);
    CHECK(keys<std::uint32_t>(node.maps.names).size() == 1);
    CHECK(keys<lb_range_key>(node.maps.ranges).empty());
}

TEST_CASE("source ranges and rows of nobody are found at start and removed", "[kernel]")
{
    Agent node;
    write(node.maps.ranges,
          lb_range_key{.prefixlen = 32 + 96 + 8, .service = 9, .addr = addr("10.0.0.0").raw()}, 1u);
    lb_frontend_key broken{};
    broken.addr = addr("10.96.0.1").raw();
    broken.proto = 99;
    write(node.maps.frontends, broken, lb_frontend{});
    node.restart();
    CHECK(node.found("source range of service number 9: there is no such service"));
    CHECK(node.found("frontend with a broken key: it cannot be read"));
    CHECK(keys<lb_range_key>(node.maps.ranges).empty());
    CHECK(keys<lb_frontend_key>(node.maps.frontends).empty());
}

TEST_CASE("changes in one call make the same maps as one call for each", "[kernel]")
{
    Agent single, together;
    auto wanted = rich(single);
    auto changes = diff({}, wanted);
    auto progress = together.kernel().apply(changes);
    REQUIRE_FALSE(progress.error);
    CHECK(progress.done == changes.size());
    CHECK(together.installed() == wanted);
    for (const auto& [key, _] : wanted.frontends)
        CHECK(together.frontend(key));
    CHECK(keys<lb_range_key>(together.maps.ranges).size() == 3);

    together.restart();
    CHECK(together.findings.empty());
    CHECK(together.installed() == wanted);
    auto gone = diff(wanted, {});
    progress = together.kernel().apply(gone);
    REQUIRE_FALSE(progress.error);
    CHECK(progress.done == gone.size());
    CHECK(together.installed().empty());
    CHECK(keys<std::uint32_t>(together.maps.names).empty());
}

TEST_CASE("a call ends at the service that does not fit, those behind it are as they were", "[kernel]")
{
    Agent node{{.arena_bytes = 3072}};
    std::vector<Backend> many;
    for (int i = 1; i <= 20; ++i)
        many.push_back(backend(("10.0.0." + std::to_string(i)).c_str()));
    auto ranged = row({backend("10.0.0.1")});
    ranged.source_ranges = {*Cidr::parse("10.0.0.0/8")};
    std::vector<Change> changes{PutService{id("small"), ranged}, PutService{id("large"), row(many)},
                                PutService{id("larger"), row(many)}, PutService{id("last"), ranged}};
    auto progress = node.kernel().apply(changes);
    CHECK(progress.done == 2);
    REQUIRE(progress.error);
    CHECK(progress.error->what.contains("shop/larger:http/TCP v4 cluster: lb_arena has no room for"));
    CHECK(node.installed().services.size() == 2);
    CHECK(keys<std::uint32_t>(node.maps.names).size() == 2);
    CHECK(node.block("large").rows.size() == 20);

    node.put(id("last"), ranged);
    CHECK(node.number_of("last") == 3);
    CHECK(node.generation("last", "10.0.0.1") > node.generation("large", "10.0.0.20"));
    node.restart();
    CHECK(node.findings.empty());
}

TEST_CASE("a call that fills the map of names takes back what is behind", "[kernel]")
{
    Agent node{{.services = 8}};
    for (std::uint32_t number = 100; number < 106; ++number)
        write(node.maps.names, number, lb_service_name{});
    auto plain = row({backend("10.0.0.1")});
    std::vector<Change> changes{PutService{id("a"), plain}, PutService{id("b"), plain},
                                PutService{id("c"), plain}, PutService{id("d"), plain}};
    auto progress = node.kernel().apply(changes);
    CHECK(progress.done == 2);
    REQUIRE(progress.error);
    CHECK(progress.error->what == "write map lb_names");
    CHECK(node.installed().services.size() == 2);
    CHECK(node.record(3).block == 0);
    auto used = node.kernel().arena_used();

    std::uint32_t junk = 100;
    REQUIRE(bpf_map_delete_elem(node.maps.names.get(), &junk) == 0);
    progress = node.kernel().apply(std::span{changes}.subspan(progress.done));
    CHECK(progress.done == 1);
    CHECK(node.number_of("c") == 3);
    CHECK(node.kernel().arena_used() == used / 2 * 3);
}

TEST_CASE("a call ends at the frontend that does not fit or whose service is not there", "[kernel]")
{
    Agent node{{.frontends = 4}};
    node.put(id("web"), row({backend("10.0.0.1")}));
    std::vector<Change> changes;
    for (std::uint16_t port = 1; port <= 6; ++port)
        changes.emplace_back(PutFrontend{tcp("10.96.0.1", port), to(id("web"))});
    changes[1] = PutFrontend{tcp("10.96.0.1", 2), to(id("nobody"))};
    auto progress = node.kernel().apply(changes);
    CHECK(progress.done == 1);
    REQUIRE(progress.error);
    CHECK(progress.error->what.contains("its service shop/nobody:http/TCP v4 cluster is not installed"));
    CHECK(node.installed().frontends.size() == 1);

    progress = node.kernel().apply(std::span{changes}.subspan(2));
    auto fitted = 1 + progress.done;
    REQUIRE(progress.error);
    CHECK(progress.error->what == "frontend " +
                                      tcp("10.96.0.1", static_cast<std::uint16_t>(fitted + 2)).text() +
                                      ": lb_frontends is full; nothing was changed");
    CHECK(node.installed().frontends.size() == fitted);
    CHECK(keys<lb_frontend_key>(node.maps.frontends).size() == fitted);
}

TEST_CASE("a block that somebody else wrote to is built anew with the next change", "[kernel]")
{
    Agent node;
    node.put(id("web"), row({backend("10.0.0.1")}));
    auto before = node.generation("web", "10.0.0.1");
    auto bytes = node.arena();
    bytes[node.record(1).block + sizeof(lb_block) + sizeof(lb_backend)] = std::byte{77}; // a slot without row
    auto only = 0u;
    REQUIRE(bpf_map_update_elem(node.maps.arena.get(), &only, bytes.data(), BPF_ANY) == 0);

    node.put(id("web"), row({backend("10.0.0.1")}));
    CHECK(node.generation("web", "10.0.0.1") > before);
    node.restart();
    CHECK(node.findings.empty());
}
