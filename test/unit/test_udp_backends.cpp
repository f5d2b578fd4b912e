#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/udp_backends.hpp"

using namespace naru;
using namespace naru::test;

namespace {

using Row = std::vector<Backend>;

Row row(std::vector<const char*> addresses)
{
    Row made;
    for (const auto* each : addresses)
        made.push_back({.at = at(each), .chosen = true, .serving = true});
    return made;
}

std::string gone(UdpBackends& backends)
{
    std::string text;
    for (const auto& each : backends.take_gone())
        text += (text.empty() ? "" : " ") + each.text();
    return text;
}

} // namespace

TEST_CASE("an address has gone when the last set that it served in has lost it", "[udp_backends]")
{
    UdpBackends backends;
    auto both = row({"10.0.0.1:53", "10.0.0.2:53"}), one = row({"10.0.0.1:53"});
    backends.replace({}, both); // cluster
    backends.replace({}, both); // local
    CHECK(gone(backends).empty());
    backends.replace(both, one);
    CHECK(gone(backends).empty());
    CHECK(backends.serves(at("10.0.0.2:53")));
    backends.replace(both, one);
    CHECK(gone(backends) == "10.0.0.2:53");
    CHECK_FALSE(backends.serves(at("10.0.0.2:53")));
    backends.replace(one, {});
    backends.replace(one, {});
    CHECK(gone(backends) == "10.0.0.1:53");
    CHECK(gone(backends).empty());
}

TEST_CASE("what leaves one Service for another has not gone, whichever is told first", "[udp_backends]")
{
    auto moved = row({"10.0.0.1:53"});
    UdpBackends left_first;
    left_first.replace({}, moved);
    left_first.replace(moved, {});
    left_first.replace({}, moved);
    CHECK(gone(left_first).empty());

    UdpBackends came_first;
    came_first.replace({}, moved);
    came_first.replace({}, moved);
    came_first.replace(moved, {});
    CHECK(gone(came_first).empty());
    CHECK(came_first.serves(at("10.0.0.1:53")));
}

TEST_CASE("an address that stays in its set through a change stays", "[udp_backends]")
{
    UdpBackends backends;
    auto one = row({"10.0.0.1:53"});
    auto draining = one;
    draining[0].chosen = false;
    draining[0].terminating = true;
    backends.replace({}, one);
    backends.replace(one, draining);
    CHECK(gone(backends).empty());
    auto silent = draining;
    silent[0].serving = false;
    backends.replace(draining, silent);
    CHECK(gone(backends) == "10.0.0.1:53");
    backends.replace(silent, {});
    CHECK(gone(backends).empty());
}

TEST_CASE("another port of an address is another backend", "[udp_backends]")
{
    UdpBackends backends;
    backends.replace({}, row({"10.0.0.1:53", "10.0.0.1:54"}));
    backends.replace(row({"10.0.0.1:53", "10.0.0.1:54"}), row({"10.0.0.1:54"}));
    CHECK(gone(backends) == "10.0.0.1:53");
}

TEST_CASE("of tables only UDP services count", "[udp_backends]")
{
    Tables tables;
    ServiceId dns{.key = {"kube-system", "dns"}, .uid = {}, .port_name = {}, .protocol = Protocol::udp};
    auto tcp = dns;
    tcp.protocol = Protocol::tcp;
    tables.services[dns].backends = row({"10.0.0.1:53"});
    tables.services[tcp].backends = row({"10.0.0.2:53"});
    UdpBackends backends{tables};
    CHECK(backends.serves(at("10.0.0.1:53")));
    CHECK_FALSE(backends.serves(at("10.0.0.2:53")));
}
