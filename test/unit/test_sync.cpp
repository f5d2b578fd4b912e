// The loop's step against tables that are a value and refuse what the test says.
#include <catch2/catch.hpp>

#include "sync.hpp"

using namespace naru;
using namespace std::chrono_literals;

namespace {

const Sync::Clock::time_point start{};

Address addr(const std::string& text) { return Address::parse(text).value(); }

/// Tables as the kernel would hold them.
struct FakeTables {
    Tables held;
    std::function<std::optional<Error>(const Change&)> refuse = [](const Change&) { return std::nullopt; };

    Result<> apply(const Change& change)
    {
        if (auto why = refuse(change))
            return std::unexpected{*why};
        if (const auto* put = std::get_if<PutService>(&change))
            held.services[put->id] = put->row;
        else if (const auto* erased = std::get_if<EraseService>(&change))
            held.services.erase(erased->id);
        else if (const auto* shown = std::get_if<PutFrontend>(&change))
            held.frontends[shown->key] = shown->row;
        else
            held.frontends.erase(std::get<EraseFrontend>(change).key);
        return {};
    }

    Installer installer()
    {
        return {[this]() -> const Tables& { return held; },
                one_by_one([this](const Change& change) { return apply(change); })};
    }

    bool serves(const std::string& ip) const
    {
        return held.frontends.contains({addr(ip), {80}, Protocol::tcp});
    }
};

Service service(const std::string& name, const std::string& ip)
{
    Service out;
    out.key = {"shop", name};
    out.uid = "uid-" + name;
    out.cluster_ips = {addr(ip)};
    out.ports = {{.name = "", .protocol = Protocol::tcp, .port = {80}, .node_port = {}}};
    return out;
}

Snapshot objects(const std::vector<Service>& services)
{
    Snapshot snapshot;
    for (const auto& each : services) {
        EndpointSlice slice;
        slice.key = each.key;
        slice.service = each.key.name;
        slice.family = each.cluster_ips.front().family();
        slice.ports = {{.name = "", .protocol = Protocol::tcp, .port = Port{8080}}};
        Endpoint endpoint;
        endpoint.address = addr(slice.family == Family::v4 ? "10.0.0.1" : "fd00::1");
        slice.endpoints = {endpoint};
        snapshot.slices[slice.key] = slice;
        snapshot.services[each.key] = each;
    }
    return snapshot;
}

const auto full = [](const Change& change) -> std::optional<Error> {
    const auto* put = std::get_if<PutService>(&change);
    if (put && put->id.key.name == "big")
        return Error{std::make_error_code(std::errc::no_space_on_device), "lb_arena is full"};
    return std::nullopt;
};

const auto broken = [](const Change& change) -> std::optional<Error> {
    const auto* put = std::get_if<PutService>(&change);
    if (put && put->id.key.name == "big")
        return Error{std::make_error_code(std::errc::operation_not_permitted), "write lb_services"};
    return std::nullopt;
};

} // namespace

TEST_CASE("nothing is written before every source has listed, everything right after")
{
    FakeTables tables;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("web", "10.96.0.1")}));
    sync.step(start);
    CHECK(tables.held.empty());
    CHECK_FALSE(sync.synced());

    sync.settle();
    const auto report = sync.step(start);
    CHECK(tables.serves("10.96.0.1"));
    CHECK(report.applied == tables.held.services.size() + tables.held.frontends.size());
    CHECK(sync.synced());
    CHECK(sync.stats().pending == 0);
}

TEST_CASE("while something that was listed cannot be read, what nobody seems to want stays")
{
    FakeTables tables;
    {
        Sync earlier{tables.installer(), {}};
        earlier.replace(objects({service("web", "10.96.0.1"), service("unread", "10.96.0.2")}));
        earlier.settle();
        earlier.step(start);
    }
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("web", "10.96.0.1"), service("new", "10.96.0.3")}));
    sync.settle(false);
    sync.step(start);
    CHECK(sync.synced());
    CHECK(tables.serves("10.96.0.2"));
    CHECK(tables.serves("10.96.0.3"));
    sync.settle();
    sync.step(start);
    CHECK_FALSE(tables.serves("10.96.0.2"));
}

TEST_CASE("what an earlier run installed goes once the sources have listed without it, and not before")
{
    FakeTables tables;
    {
        Sync earlier{tables.installer(), {}};
        earlier.replace(objects({service("web", "10.96.0.1"), service("old", "10.96.0.2")}));
        earlier.settle();
        earlier.step(start);
    }
    const auto before = tables.held;

    Sync sync{tables.installer(), {}};
    sync.replace({});
    sync.step(start);
    CHECK(tables.held == before);

    sync.replace(objects({service("web", "10.96.0.1")}));
    sync.settle();
    sync.step(start);
    CHECK(tables.serves("10.96.0.1"));
    CHECK_FALSE(tables.serves("10.96.0.2"));
    CHECK(tables.held.services.size() * 2 == before.services.size());
}

TEST_CASE("a step without news writes nothing")
{
    FakeTables tables;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("web", "10.96.0.1")}));
    sync.settle();
    sync.step(start);
    CHECK(sync.step(start + 1s).applied == 0);
    sync.replace(objects({service("web", "10.96.0.1")}));
    CHECK(sync.step(start + 2s).applied == 0);
    CHECK_FALSE(sync.next_retry());
}

TEST_CASE("one Service that cannot be written is told of once, and the others are served")
{
    FakeTables tables;
    tables.refuse = broken;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("big", "10.96.0.9"), service("web", "10.96.0.1")}));
    sync.settle();
    const auto report = sync.step(start);
    CHECK(tables.serves("10.96.0.1"));
    CHECK_FALSE(tables.serves("10.96.0.9"));
    REQUIRE(report.failures.size() == 1);
    CHECK(report.failures[0].service.text() == "shop/big");
    CHECK_THAT(report.failures[0].message, Catch::Contains("shop/big") &&
                                               Catch::Contains("write lb_services") &&
                                               Catch::Contains("stays"));
    CHECK_FALSE(sync.synced());
    CHECK(sync.stats().pending > 0);
    CHECK(sync.stuck_since(Family::v4) == start);
    CHECK_FALSE(sync.stuck_since(Family::v6));

    CHECK(sync.step(start + 10s).failures.empty());
    CHECK(sync.stuck_since(Family::v4) == start);
}

TEST_CASE("a failed Service is tried again, later each time, and its recovery is told")
{
    FakeTables tables;
    tables.refuse = broken;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("big", "10.96.0.9")}));
    sync.settle();
    sync.step(start);

    auto now = start;
    std::vector<std::chrono::milliseconds> waits;
    for (int i = 0; i < 10; i++) {
        const auto next = sync.next_retry().value();
        waits.push_back(std::chrono::duration_cast<std::chrono::milliseconds>(next - now));
        const auto failed = sync.stats().failed;
        sync.step(next - 1ms);
        CHECK(sync.stats().failed == failed);
        now = next;
        sync.step(now);
        CHECK(sync.stats().failed > failed);
    }
    CHECK(waits[0] == 200ms);
    CHECK(waits[1] == 400ms);
    CHECK(waits[9] == 30s);

    tables.refuse = [](const Change&) { return std::nullopt; };
    const auto report = sync.step(sync.next_retry().value());
    CHECK(tables.serves("10.96.0.9"));
    CHECK(report.recovered == std::vector{ObjectKey{"shop", "big"}});
    CHECK(sync.synced());
    CHECK_FALSE(sync.next_retry());
}

TEST_CASE("a change of the object is tried at once, whatever wait its last failure began")
{
    FakeTables tables;
    tables.refuse = broken;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("big", "10.96.0.9")}));
    sync.settle();
    sync.step(start);
    tables.refuse = [](const Change&) { return std::nullopt; };
    sync.replace(objects({service("big", "10.96.0.10")}));
    sync.step(start + 1ms);
    CHECK(tables.serves("10.96.0.10"));
}

TEST_CASE("a full table is a state: synced, told, tried again, not stuck")
{
    FakeTables tables;
    tables.refuse = full;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("big", "fd96::9"), service("web", "10.96.0.1")}));
    sync.settle();
    const auto report = sync.step(start);
    REQUIRE(report.failures.size() == 1);
    CHECK_THAT(report.failures[0].message, Catch::Contains("lb_arena is full"));
    CHECK(sync.synced());
    CHECK_FALSE(sync.stuck_since(Family::v6));
    CHECK(sync.next_retry());
}

TEST_CASE("what is refused before any system call is a reason too")
{
    FakeTables tables;
    tables.refuse = [](const Change& change) -> std::optional<Error> {
        if (std::holds_alternative<PutService>(change))
            return Error{{}, "lb_services is full"};
        return std::nullopt;
    };
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("web", "10.96.0.1")}));
    sync.settle();
    CHECK(sync.step(start).failures.size() == 1);
    CHECK(sync.synced());
    CHECK_FALSE(sync.stuck_since(Family::v4));
}

TEST_CASE("a failure after the first sync leaves the agent synced but stuck")
{
    FakeTables tables;
    Sync sync{tables.installer(), {}};
    sync.replace(objects({service("web", "10.96.0.1")}));
    sync.settle();
    sync.step(start);
    tables.refuse = broken;
    sync.replace(objects({service("web", "10.96.0.1"), service("big", "10.96.0.9")}));
    sync.step(start + 5s);
    CHECK(sync.synced());
    CHECK(sync.stuck_since(Family::v4) == start + 5s);
}

TEST_CASE("a Node object replaces what stood in for it, and its NodePorts follow")
{
    FakeTables tables;
    Sync sync{tables.installer(), {}};
    auto web = service("web", "10.96.0.1");
    web.type = ServiceType::node_port;
    web.ports[0].node_port = {30080};
    auto snapshot = objects({web});

    sync.set_interface_addresses({addr("192.0.2.1"), addr("192.0.2.2")});
    sync.set_fallback_node({.name = "n1", .zone = {}, .addresses = {addr("192.0.2.1")}});
    sync.replace(snapshot);
    sync.settle();
    sync.step(start);
    const auto answers = [&](const char* ip) {
        return tables.held.frontends.contains({addr(ip), {30080}, Protocol::tcp});
    };
    CHECK(answers("192.0.2.1"));
    CHECK_FALSE(answers("192.0.2.2"));

    snapshot.node = Node{.name = "n1", .zone = {}, .addresses = {addr("192.0.2.2")}};
    sync.replace(snapshot);
    sync.step(start);
    CHECK_FALSE(answers("192.0.2.1"));
    CHECK(answers("192.0.2.2"));

    sync.set_fallback_node({.name = "n1", .zone = {}, .addresses = {addr("192.0.2.1")}});
    CHECK(sync.view().node.addresses.front() == addr("192.0.2.2"));
}

TEST_CASE("a step names the health ports that changed")
{
    FakeTables tables;
    Sync sync{tables.installer(), {}};
    auto web = service("web", "10.96.0.1");
    web.type = ServiceType::load_balancer;
    web.external_policy = TrafficPolicy::local;
    web.health_check_node_port = {32000};
    sync.replace(objects({web}));
    CHECK(sync.step(start).health_ports.empty());
    sync.settle();
    CHECK(sync.step(start).health_ports == std::set<Port>{{32000}});
    CHECK(sync.health_checks().at({32000})->service == web.key);
    CHECK(sync.step(start).health_ports.empty());
}
