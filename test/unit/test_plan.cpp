#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include "builders.hpp"
#include "describe.hpp"
#include "model/plan.hpp"

using namespace naru;
using namespace naru::test;

namespace {

/// The loop as the agent runs it, with a kernel made of values.
struct Loop {
    Store store;
    Planner planner;
    NodeView node = view();
    FakeKernel kernel;
    std::vector<Notice> notices;
    std::string applied;

    explicit Loop(Capacity capacity = {}, bool settled = true) : planner{capacity}
    {
        if (settled)
            planner.settle(kernel.installed);
    }

    std::size_t apply(const std::vector<Change>& changes)
    {
        applied = describe(changes);
        return carry_out(changes, kernel.installed,
                         one_by_one([this](const Change& c) { return kernel.apply(c); }))
            .size();
    }

    std::size_t step()
    {
        auto plan = planner.update(store, store.take_dirty(), node, kernel.installed);
        notices = plan.notices;
        return apply(plan.changes);
    }

    std::size_t retry() { return apply(planner.remaining(kernel.installed)); }

    bool holds()
    {
        return kernel.installed == planner.wanted() && planner.remaining(kernel.installed).empty();
    }

    std::string told() const
    {
        std::string out;
        for (const auto& notice : notices)
            out += (out.empty() ? "" : " ") + notice.service.name + ":" + notice.reason;
        return out;
    }
};

} // namespace

TEST_CASE("a Service and its endpoints become tables, step by step", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    CHECK(loop.applied == "+web +10.96.0.1:80/TCP +10.96.0.1:*");
    loop.store.put(slice("web", {endpoint("10.0.0.1")}));
    loop.step();
    CHECK(loop.applied == "+web");
    CHECK(loop.holds());
    loop.store.erase_service({"shop", "web"});
    loop.step();
    CHECK(loop.applied == "-10.96.0.1:* -10.96.0.1:80/TCP -web");
    CHECK(loop.kernel.installed.empty());
}

TEST_CASE("a Service that is looked at again without a change needs nothing", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    loop.store.mark_all();
    loop.step();
    CHECK(loop.applied.empty());
}

TEST_CASE("a row that somebody took out of the kernel is put back when its Service is looked at", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    loop.kernel.installed.frontends.erase(key("10.96.0.1:80/TCP"));
    loop.store.mark({"shop", "web"});
    loop.step();
    CHECK(loop.applied == "+10.96.0.1:80/TCP");
}

TEST_CASE("before the sources have told everything nothing is erased", "[plan]")
{
    Loop before;
    before.store.put(service("web"));
    before.store.put(service("old", {"10.96.0.9"}));
    before.step();

    Loop after{{}, false};
    after.kernel.installed = before.kernel.installed;
    after.store.put(service("web"));
    after.store.put(slice("web", {endpoint("10.0.0.1")}));
    after.store.put(service("new", {"10.96.0.2"}));
    after.step();
    CHECK(after.applied == "+new +web +10.96.0.2:80/TCP +10.96.0.2:*");
    after.store.erase_service({"shop", "new"});
    after.step();
    CHECK(after.applied.empty());
    after.retry();
    CHECK(after.applied.empty());

    after.planner.settle(after.kernel.installed);
    after.retry();
    CHECK(after.applied == "-10.96.0.2:* -10.96.0.2:80/TCP -10.96.0.9:* -10.96.0.9:80/TCP -new -old");
    CHECK(after.holds());
}

TEST_CASE("a restart with nothing changed writes nothing", "[plan]")
{
    Loop before;
    before.store.put(service("web"));
    before.store.put(slice("web", {endpoint("10.0.0.1")}));
    before.step();
    Loop after{{}, false};
    after.kernel.installed = before.kernel.installed;
    after.store = before.store;
    after.store.mark_all();
    after.step();
    CHECK(after.applied.empty());
    after.planner.settle(after.kernel.installed);
    CHECK(after.holds());
}

TEST_CASE("a change that failed comes back until it holds", "[plan]")
{
    Loop loop;
    loop.kernel.fails = [](const Change& c) { return describe(c) == "+web"; };
    loop.store.put(service("web"));
    CHECK(loop.step() == 1);
    CHECK(loop.kernel.installed.empty());
    CHECK(loop.retry() == 1);

    loop.kernel.fails = [](const Change&) { return false; };
    CHECK(loop.retry() == 0);
    CHECK(loop.applied == "+web +10.96.0.1:80/TCP +10.96.0.1:*");
    CHECK(loop.holds());
}

TEST_CASE("an erase that failed comes back though nobody knows the Service any more", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    loop.kernel.fails = [](const Change& c) { return describe(c) == "-10.96.0.1:80/TCP"; };
    loop.store.erase_service({"shop", "web"});
    CHECK(loop.step() == 1);
    loop.kernel.fails = [](const Change&) { return false; };
    CHECK(loop.retry() == 0);
    CHECK(loop.kernel.installed.empty());
}

TEST_CASE("a Service made anew under its old name takes over without a gap", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    auto anew = service("web");
    anew.uid = "uid-2";
    loop.store.put(anew);
    loop.step();
    CHECK(loop.applied == "+web +10.96.0.1:80/TCP -web");
    CHECK(loop.holds());
}

TEST_CASE("a shadowed Service takes over in the update in which the owner goes", "[plan]")
{
    Loop loop;
    auto old = service("old"), young = service("young");
    young.created_sec = 2000;
    loop.store.put(old);
    loop.store.put(young);
    loop.step();
    CHECK(loop.told() == "young:FrontendConflict");
    loop.store.erase_service(old.key);
    loop.step();
    CHECK(loop.applied == "+10.96.0.1:80/TCP -old");
}

TEST_CASE("a changed node re-evaluates addresses, hints and local sets", "[plan]")
{
    Loop loop;
    auto s = service("web");
    s.type = ServiceType::node_port;
    s.ports[0].node_port = {30080};
    loop.store.put(s);
    loop.step();
    loop.node.node.addresses[0] = addr("192.0.2.77");
    loop.store.mark_all();
    loop.step();
    CHECK(loop.applied == "+192.0.2.77:30080/TCP -192.0.2.1:30080/TCP");
}

TEST_CASE("an address the node takes for itself loses its wildcard", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.step();
    loop.node.interface_addresses.insert(addr("10.96.0.1"));
    loop.store.mark_all();
    loop.step();
    CHECK(loop.applied == "+10.96.0.1:80/TCP -10.96.0.1:*");
}

TEST_CASE("a notice is told once, and again only after it was over", "[plan]")
{
    Loop loop;
    auto bad = service("web"), good = bad;
    bad.ports[0].port = Port{0};
    loop.store.put(bad);
    loop.step();
    CHECK(loop.told() == "web:InvalidPort");
    loop.store.mark_all();
    loop.step();
    CHECK(loop.told().empty());
    loop.store.put(good);
    loop.step();
    loop.store.put(bad);
    loop.step();
    CHECK(loop.told() == "web:InvalidPort");
}

TEST_CASE("a Service without room is refused whole, what exists goes on, a delete lets it in", "[plan]")
{
    auto capacity = GENERATE(Capacity{.services = 1}, Capacity{.frontends = 3});
    Loop loop{capacity};
    loop.store.put(service("a"));
    loop.step();
    loop.store.put(service("b", {"10.96.0.2"}));
    loop.step();
    CHECK(loop.applied.empty());
    CHECK(loop.told() == "b:NoRoom");
    CHECK(loop.planner.refused().size() == 1);

    loop.store.put(slice("a", {endpoint("10.0.0.1")}));
    loop.step();
    CHECK(loop.applied == "+a");
    CHECK(loop.told().empty());

    loop.store.erase_service({"shop", "a"});
    loop.step();
    CHECK(loop.planner.refused().empty());
    CHECK(loop.holds());
    CHECK(loop.kernel.installed.frontends.contains(key("10.96.0.2:80/TCP")));
}

TEST_CASE("backends take room in the arena and give it back", "[plan]")
{
    Loop loop{{.arena = 128}}; // a block of one backend takes 96 bytes, one of none 32
    loop.store.put(service("a"));
    loop.store.put(slice("a", {endpoint("10.0.0.1")}));
    loop.step();
    CHECK(loop.told().empty());
    loop.store.put(service("b", {"10.96.0.2"}));
    loop.store.put(slice("b", {endpoint("10.0.0.2")}));
    loop.step();
    CHECK(loop.told() == "b:NoRoom");
    CHECK_FALSE(loop.kernel.installed.frontends.contains(key("10.96.0.2:80/TCP")));
    loop.store.erase_service({"shop", "a"});
    loop.step();
    CHECK(loop.planner.refused().empty());
    CHECK(loop.kernel.installed.frontends.contains(key("10.96.0.2:80/TCP")));
}

TEST_CASE("a Service that grows beyond the room keeps what it had", "[plan]")
{
    Loop loop{{.frontends = 2}};
    loop.store.put(service("a"));
    loop.step();
    auto grown = service("a");
    grown.ports.push_back({"more", Protocol::tcp, {81}, {}});
    loop.store.put(grown);
    loop.step();
    CHECK(loop.told() == "a:NoRoom");
    CHECK(loop.holds());
    CHECK(loop.kernel.installed.frontends.size() == 2);
    loop.store.put(service("a"));
    loop.step();
    CHECK(loop.planner.refused().empty());
}

TEST_CASE("a Service may exchange its rows in full tables", "[plan]")
{
    Loop loop{{.frontends = 2}};
    loop.store.put(service("a"));
    loop.step();
    auto moved = service("a");
    moved.ports[0].port = {81};
    loop.store.put(moved);
    loop.step();
    CHECK(loop.applied == "+10.96.0.1:81/TCP -10.96.0.1:80/TCP");
}

TEST_CASE("source ranges count as rows", "[plan]")
{
    Loop loop{{.ranges = 1}};
    auto s = service("a");
    s.type = ServiceType::load_balancer;
    s.ingress = {{.ip = addr("203.0.113.1")}};
    s.source_ranges = {"10.0.0.0/8", "11.0.0.0/8"};
    loop.store.put(s);
    loop.step();
    CHECK(loop.told() == "a:NoRoom");
    s.source_ranges.pop_back();
    loop.store.put(s);
    loop.step();
    CHECK(loop.told().empty());
    CHECK(loop.holds());
}

namespace {

Service random_service()
{
    auto s = service(std::string{"s"} + std::to_string(*rc::gen::inRange(0, 4)),
                     {*rc::gen::element("10.96.0.1", "10.96.0.2")});
    s.uid = s.uid + std::to_string(*rc::gen::inRange(0, 2));
    s.created_sec = *rc::gen::inRange(0, 3);
    s.type = *rc::gen::element(ServiceType::cluster_ip, ServiceType::node_port, ServiceType::load_balancer,
                               ServiceType::external_name);
    s.ports[0].port = {*rc::gen::element<std::uint16_t>(80, 81)};
    s.ports[0].node_port = {*rc::gen::element<std::uint16_t>(0, 30080)};
    s.external_policy = *rc::gen::element(TrafficPolicy::cluster, TrafficPolicy::local);
    s.internal_policy = *rc::gen::element(TrafficPolicy::cluster, TrafficPolicy::local);
    if (*rc::gen::inRange(0, 2))
        s.ingress = {{.ip = addr(*rc::gen::element("203.0.113.1", "192.0.2.1", "10.96.0.2"))}};
    if (*rc::gen::inRange(0, 2))
        s.source_ranges = {"10.0.0.0/8"};
    return s;
}

EndpointSlice random_slice()
{
    std::vector<Endpoint> endpoints;
    for (const auto* address : {"10.0.0.1", "10.0.0.2", "10.0.0.3"})
        if (*rc::gen::inRange(0, 2)) {
            endpoints.push_back(endpoint(address, *rc::gen::element("n1", "n2")));
            endpoints.back().ready = *rc::gen::arbitrary<bool>();
        }
    return slice(std::string{"s"} + std::to_string(*rc::gen::inRange(0, 4)), endpoints,
                 *rc::gen::element("a", "b"));
}

void random_event(Store& store)
{
    switch (*rc::gen::inRange(0, 6)) {
    case 0:
    case 1:
        store.put(random_service());
        break;
    case 2:
    case 3:
        store.put(random_slice());
        break;
    case 4:
        store.erase_service(random_service().key);
        break;
    default:
        store.erase_slice(random_slice().key);
    }
}

/// What a planner that never saw the history wants for these objects.
Tables fresh(const Store& store, const NodeView& node)
{
    Planner planner;
    std::vector<ObjectKey> all;
    for (const auto& [key, _] : store.services())
        all.push_back(key);
    std::ranges::sort(all);
    planner.update(store, all, node, {});
    return planner.wanted();
}

} // namespace

TEST_CASE("the tables are a function of the objects, whatever happened on the way", "[plan]")
{
    rc::prop("after any history with failures the kernel holds what a fresh start would want", [] {
        Loop loop{{}, *rc::gen::arbitrary<bool>()};
        auto steps = *rc::gen::inRange(1, 40);
        for (int i = 0; i < steps; ++i) {
            random_event(loop.store);
            auto failing = *rc::gen::inRange(0, 4);
            loop.kernel.fails = [failing, n = 0](const Change&) mutable {
                return failing && ++n % 4 == failing;
            };
            loop.step();
            if (*rc::gen::inRange(0, 3) == 0)
                loop.retry();
        }
        loop.kernel.fails = [](const Change&) { return false; };
        loop.planner.settle(loop.kernel.installed);
        RC_ASSERT(loop.retry() == 0u);
        RC_ASSERT(loop.holds());
        RC_ASSERT(render(loop.kernel.installed) == render(fresh(loop.store, loop.node)));
        RC_ASSERT(loop.kernel.installed == fresh(loop.store, loop.node));
    });
}

TEST_CASE("a health check comes and goes with its Service, and one without room has none", "[plan]")
{
    Loop loop{{.frontends = 2}};
    auto web = service("web");
    web.type = ServiceType::load_balancer;
    web.external_policy = TrafficPolicy::local;
    web.health_check_node_port = {32000};
    loop.store.put(web);
    auto plan = loop.planner.update(loop.store, loop.store.take_dirty(), loop.node, loop.kernel.installed);
    CHECK(plan.health_ports == std::set<Port>{{32000}});
    loop.store.put(slice("web", {endpoint("10.0.0.1")}));
    plan = loop.planner.update(loop.store, loop.store.take_dirty(), loop.node, loop.kernel.installed);
    CHECK(plan.health_ports.empty());
    CHECK(loop.planner.health_checks().at({32000})->check.ready_here.at(Family::v4) == 1);

    auto second = web;
    second.key.name = "second";
    second.cluster_ips = {addr("10.96.0.2")};
    second.health_check_node_port = {32001};
    loop.store.put(second);
    loop.step();
    CHECK(loop.told() == "second:NoRoom");
    CHECK(loop.planner.health_checks().ports() == std::set<Port>{{32000}});

    loop.store.erase_service(web.key);
    loop.step();
    CHECK(loop.planner.health_checks().ports() == std::set<Port>{{32001}});
}

TEST_CASE("a Service's address takes an endpoint away when it comes and gives it back when it goes", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.store.put(slice("web", {endpoint("10.96.0.2"), endpoint("10.0.0.1")}));
    loop.step();
    auto backends = [&] { return loop.planner.wanted().services.begin()->second.backends.size(); };
    CHECK(backends() == 2);

    loop.store.put(service("zoo", {"10.96.0.2"})); // behind web in order: web must be looked at again
    loop.step();
    CHECK(loop.applied.contains("+web"));
    CHECK(loop.told() == "web:EndpointRefused");
    CHECK(backends() == 1);
    CHECK(loop.holds());

    loop.store.erase_service({"shop", "zoo"});
    loop.step();
    CHECK(backends() == 2);
    CHECK(loop.holds());
}

TEST_CASE("a Service without an endpoint on the address is not looked at again", "[plan]")
{
    Loop loop;
    loop.store.put(service("web"));
    loop.store.put(slice("web", {endpoint("10.0.0.1")}));
    loop.step();
    loop.kernel.installed.services.clear(); // a look at web would put its row back
    loop.store.put(service("zoo", {"10.96.0.2"}));
    loop.step();
    CHECK(loop.applied == "+zoo +10.96.0.2:80/TCP +10.96.0.2:*");
}

TEST_CASE("the endpoints of default/kubernetes cannot be taken, and can when they move", "[plan]")
{
    Loop loop;
    auto evil = service("evil");
    evil.external_ips = {addr("192.0.2.200")};
    loop.store.put(evil);
    auto api = slice("kubernetes", {endpoint("192.0.2.200")});
    api.key.ns = "default";
    loop.store.put(api);
    loop.step();
    CHECK(loop.told() == "evil:FrontendRefused");
    CHECK_FALSE(loop.kernel.installed.frontends.contains(key("192.0.2.200:80/TCP")));

    api.endpoints = {endpoint("192.0.2.201")};
    loop.store.put(api);
    loop.step();
    CHECK(loop.applied == "+192.0.2.200:80/TCP");
    CHECK(loop.holds());
}
