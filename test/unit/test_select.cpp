#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/select.hpp"

using namespace naru;
using namespace naru::test;

namespace {

const Node here{.name = "n1", .zone = "z1", .addresses = {}};

Selection select(const std::vector<EndpointSlice>& slices, const Node& node = here,
                 Family family = Family::v4)
{
    std::vector<const EndpointSlice*> pointers;
    for (const auto& slice : slices)
        pointers.push_back(&slice);
    return select_endpoints(pointers, "", Protocol::tcp, family, node);
}

std::string texts(const std::vector<Backend>& backends, bool chosen_only)
{
    std::string out;
    for (const auto& backend : backends)
        if (backend.chosen || !chosen_only)
            out += (out.empty() ? "" : " ") + backend.at.text();
    return out;
}

std::string chosen(const std::vector<Backend>& backends) { return texts(backends, true); }
std::string all(const std::vector<Backend>& backends) { return texts(backends, false); }

Endpoint draining(std::string_view address, std::string node = "n1")
{
    auto e = endpoint(address, std::move(node));
    e.ready = false;
    e.serving = true;
    e.terminating = true;
    return e;
}

Endpoint dead(std::string_view address, std::string node = "n1")
{
    auto e = draining(address, std::move(node));
    e.serving = false;
    return e;
}

Endpoint in_zones(Endpoint e, std::vector<std::string> zones)
{
    e.zone_hints.assign(zones.begin(), zones.end());
    return e;
}

Endpoint for_nodes(Endpoint e, std::vector<std::string> nodes)
{
    e.node_hints.assign(nodes.begin(), nodes.end());
    return e;
}

} // namespace

TEST_CASE("absent conditions mean ready, serving and not terminating", "[select]")
{
    auto s = select({slice("web", {endpoint("10.0.0.1")})});
    REQUIRE(s.cluster.size() == 1);
    CHECK(s.cluster[0].chosen);
    CHECK(s.cluster[0].serving);
    CHECK(s.cluster[0].local);
    CHECK_FALSE(s.cluster[0].terminating);
    CHECK(s.any_usable);
}

TEST_CASE("ready endpoints are chosen, serving ones are kept, dead ones are not", "[select]")
{
    auto s = select({slice("web", {endpoint("10.0.0.3"), draining("10.0.0.2"), dead("10.0.0.1")})});
    CHECK(all(s.cluster) == "10.0.0.2:8080 10.0.0.3:8080");
    CHECK(chosen(s.cluster) == "10.0.0.3:8080");
    CHECK(s.cluster[0].terminating);
}

TEST_CASE("with nothing ready the draining endpoints serve, dead ones never", "[select]")
{
    auto s = select({slice("web", {draining("10.0.0.2"), dead("10.0.0.1")})});
    CHECK(chosen(s.cluster) == "10.0.0.2:8080");
    CHECK(s.any_usable);
    s = select({slice("web", {dead("10.0.0.1")})});
    CHECK(all(s.cluster).empty());
    CHECK_FALSE(s.any_usable);
}

TEST_CASE("an endpoint that serves without being ready or draining is no choice and no use", "[select]")
{
    auto warming = endpoint("10.0.0.1");
    warming.ready = false;
    auto s = select({slice("web", {warming})});
    CHECK(all(s.cluster) == "10.0.0.1:8080");
    CHECK(chosen(s.cluster).empty());
    CHECK_FALSE(s.any_usable);
}

TEST_CASE("a published endpoint that is not serving is used because it is ready", "[select]")
{
    auto published = endpoint("10.0.0.1");
    published.ready = true;
    published.serving = false;
    auto s = select({slice("web", {published})});
    CHECK(chosen(s.cluster) == "10.0.0.1:8080");
    CHECK(s.cluster[0].serving);
}

TEST_CASE("the local list chooses endpoints of this node only", "[select]")
{
    auto nowhere = endpoint("10.0.0.3");
    nowhere.node.reset();
    auto s = select({slice("web", {endpoint("10.0.0.1", "n1"), endpoint("10.0.0.2", "n2"), nowhere})});
    CHECK(chosen(s.cluster) == "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080");
    CHECK(chosen(s.local) == "10.0.0.1:8080");
    CHECK(all(s.local) == all(s.cluster));
}

TEST_CASE("a node without a name has no local endpoints", "[select]")
{
    auto s = select({slice("web", {endpoint("10.0.0.1", "")})}, Node{});
    CHECK(chosen(s.local).empty());
}

TEST_CASE("the lists fall back to draining endpoints each on its own", "[select]")
{
    auto s = select(
        {slice("web", {draining("10.0.0.1", "n1"), endpoint("10.0.0.2", "n2"), draining("10.0.0.3", "n2")})});
    CHECK(chosen(s.cluster) == "10.0.0.2:8080");
    CHECK(chosen(s.local) == "10.0.0.1:8080");
}

TEST_CASE("zone hints hold when every ready endpoint has one and one names this zone", "[select]")
{
    auto near = in_zones(endpoint("10.0.0.1", "n2"), {"z1"});
    auto far = in_zones(endpoint("10.0.0.2", "n3"), {"z2"});
    CHECK(chosen(select({slice("web", {near, far})}).cluster) == "10.0.0.1:8080");

    SECTION("an endpoint without a hint switches them off")
    {
        CHECK(chosen(select({slice("web", {near, far, endpoint("10.0.0.3")})}).cluster) ==
              "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080");
    }
    SECTION("only ready endpoints vote")
    {
        CHECK(chosen(select({slice("web", {near, far, draining("10.0.0.3")})}).cluster) == "10.0.0.1:8080");
    }
    SECTION("a zone nobody names gets all")
    {
        CHECK(chosen(select({slice("web", {far})}).cluster) == "10.0.0.2:8080");
    }
    SECTION("a node without a zone gets all")
    {
        Node somewhere{.name = "n1", .zone = {}, .addresses = {}};
        CHECK(chosen(select({slice("web", {near, far})}, somewhere).cluster) ==
              "10.0.0.1:8080 10.0.0.2:8080");
    }
    SECTION("they never filter the local list")
    {
        auto own = in_zones(endpoint("10.0.0.4", "n1"), {"z2"});
        CHECK(chosen(select({slice("web", {near, own})}).local) == "10.0.0.4:8080");
    }
    SECTION("the fallback to draining endpoints ignores them")
    {
        auto other = in_zones(draining("10.0.0.5"), {"z2"});
        CHECK(chosen(select({slice("web", {other})}).cluster) == "10.0.0.5:8080");
    }
}

TEST_CASE("node hints come before zone hints", "[select]")
{
    auto mine = for_nodes(in_zones(endpoint("10.0.0.1", "n1"), {"z1"}), {"n1"});
    auto neighbour = for_nodes(in_zones(endpoint("10.0.0.2", "n2"), {"z1"}), {"n2"});
    auto far = for_nodes(in_zones(endpoint("10.0.0.3", "n3"), {"z2"}), {"n3"});
    CHECK(chosen(select({slice("web", {mine, neighbour, far})}).cluster) == "10.0.0.1:8080");
    CHECK(chosen(select({slice("web", {neighbour, far})}).cluster) == "10.0.0.2:8080");
    mine.node_hints.clear();
    CHECK(chosen(select({slice("web", {mine, neighbour, far})}).cluster) == "10.0.0.1:8080 10.0.0.2:8080");
}

TEST_CASE("an endpoint in two slices is one backend with the better condition", "[select]")
{
    auto bad = slice("web", {dead("10.0.0.1"), draining("10.0.0.2")}, "a");
    auto good = slice("web", {draining("10.0.0.1"), endpoint("10.0.0.2")}, "b");
    for (const auto& slices : {std::vector{bad, good}, std::vector{good, bad}}) {
        auto s = select(slices);
        CHECK(all(s.cluster) == "10.0.0.1:8080 10.0.0.2:8080");
        CHECK(chosen(s.cluster) == "10.0.0.2:8080");
        CHECK_FALSE(s.cluster[1].terminating);
    }
}

TEST_CASE("two slices that disagree on the rest give the same answer in any order", "[select]")
{
    auto a = slice("web", {in_zones(endpoint("10.0.0.1", "n1"), {"z1"})}, "a");
    auto b = slice("web", {in_zones(endpoint("10.0.0.1", "n2"), {"z2"})}, "b");
    CHECK(select({a, b}).cluster == select({b, a}).cluster);
    CHECK(select({a, b}).local == select({b, a}).local);
}

TEST_CASE("a port is found by name and protocol", "[select]")
{
    auto s = slice("web", {endpoint("10.0.0.1")});
    s.ports = {
        {"dns", Protocol::udp, Port{53}}, {"dns", Protocol::tcp, Port{54}}, {"dns", Protocol::tcp, Port{55}}};
    std::vector<const EndpointSlice*> slices{&s};
    auto port = [&](std::string_view name, Protocol protocol) {
        return all(select_endpoints(slices, name, protocol, Family::v4, here).cluster);
    };
    CHECK(port("dns", Protocol::udp) == "10.0.0.1:53");
    CHECK(port("dns", Protocol::tcp) == "10.0.0.1:54");
    CHECK(port("", Protocol::tcp).empty());
    CHECK(port("dns", Protocol::sctp).empty());
}

TEST_CASE("a port without a number is not a Service port", "[select]")
{
    auto s = slice("web", {endpoint("10.0.0.1")});
    s.ports = {{"", Protocol::tcp, {}}, {"", Protocol::tcp, Port{80}}};
    CHECK(all(select({s}).cluster).empty());
    s.ports = {{"", Protocol::tcp, Port{0}}};
    CHECK(all(select({s}).cluster).empty());
}

TEST_CASE("ports of one endpoint may be spread over slices, and numbers may differ by slice", "[select]")
{
    auto a = slice("web", {endpoint("10.0.0.1")}, "a");
    auto b = slice("web", {endpoint("10.0.0.1"), endpoint("10.0.0.2")}, "b");
    b.ports[0].port = Port{9090};
    CHECK(all(select({a, b}).cluster) == "10.0.0.1:8080 10.0.0.1:9090 10.0.0.2:9090");
}

TEST_CASE("families are kept apart", "[select]")
{
    std::vector slices{slice("web", {endpoint("10.0.0.1")}, "4"), slice("web", {endpoint("fd00::1")}, "6")};
    CHECK(all(select(slices, here, Family::v4).cluster) == "10.0.0.1:8080");
    CHECK(all(select(slices, here, Family::v6).cluster) == "[fd00::1]:8080");
}

TEST_CASE("slices of unknown type and headless slices are ignored", "[select]")
{
    auto fqdn = slice("web", {endpoint("10.0.0.1")});
    fqdn.family.reset();
    auto headless = slice("web", {endpoint("10.0.0.2")});
    headless.headless_label = true;
    CHECK(all(select({fqdn, headless}).cluster).empty());
}

TEST_CASE("hostile endpoint addresses are refused and counted, the rest stays", "[select]")
{
    auto s = select({slice("web", {endpoint("10.0.0.1"), endpoint("127.0.0.1"), endpoint("0.0.0.0"),
                                   endpoint("169.254.1.1"), endpoint("224.0.0.1"),
                                   endpoint("255.255.255.255"), endpoint("fd00::1")})});
    CHECK(all(s.cluster) == "10.0.0.1:8080");
    CHECK(s.refused == 6);
}

TEST_CASE("who weighs nothing serves its flows and is given no new one, in both lists", "[select]")
{
    auto weighted = slice("web", {endpoint("10.0.0.1"), endpoint("10.0.0.2"), endpoint("10.0.0.3", "n2")});
    weighted.weights = "10.0.0.1=0,10.0.0.3=7";
    auto s = select({weighted});
    CHECK(chosen(s.cluster) == "10.0.0.2:8080 10.0.0.3:8080");
    CHECK(chosen(s.local) == "10.0.0.2:8080");
    CHECK(all(s.cluster) == "10.0.0.1:8080 10.0.0.2:8080 10.0.0.3:8080");
    CHECK(s.cluster[0].serving);
    CHECK(s.cluster[2].weight == 7);
}

TEST_CASE("while all that are ready weigh nothing, those that terminate do not take over", "[select]")
{
    auto weighted = slice("web", {endpoint("10.0.0.1"), draining("10.0.0.2")});
    weighted.weights = "10.0.0.1=0";
    auto s = select({weighted});
    CHECK(chosen(s.cluster).empty());
    CHECK(s.any_usable);
}

TEST_CASE("of two slices that weigh one endpoint differently the lower weight holds, in any order",
          "[select]")
{
    auto heavy = slice("web", {endpoint("10.0.0.1")}, "a"), light = slice("web", {endpoint("10.0.0.1")}, "b");
    heavy.weights = "*=9";
    light.weights = "*=2";
    CHECK(select({heavy, light}).cluster.at(0).weight == 2);
    CHECK(select({light, heavy}).cluster.at(0).weight == 2);
}
