#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <map>

#include "builders.hpp"
#include "model/endpoint_index.hpp"

using namespace naru;
using namespace naru::test;

namespace {

void set(EndpointIndex& index, const std::string& name, const std::vector<EndpointSlice>& slices)
{
    std::vector<const EndpointSlice*> pointers;
    for (const auto& each : slices)
        pointers.push_back(&each);
    index.set({"shop", name}, pointers);
}

std::string at_address(const EndpointIndex& index, const char* text)
{
    std::set<ObjectKey> found;
    index.add_services_at(addr(text), found);
    std::string out;
    for (const auto& key : found)
        out += (out.empty() ? "" : " ") + key.name;
    return out;
}

} // namespace

TEST_CASE("a Service is found by every address of its slices, and not by others", "[endpoint_index]")
{
    EndpointIndex index;
    set(index, "web",
        {slice("web", {endpoint("10.0.0.1"), endpoint("10.0.0.2")}), slice("web", {endpoint("fd00::1")})});
    set(index, "db", {slice("db", {endpoint("10.0.0.2")})});
    CHECK(at_address(index, "10.0.0.1") == "web");
    CHECK(at_address(index, "10.0.0.2") == "db web");
    CHECK(at_address(index, "fd00::1") == "web");
    CHECK(at_address(index, "10.0.0.3").empty());
}

TEST_CASE("an address named twice goes with its last slice", "[endpoint_index]")
{
    EndpointIndex index;
    set(index, "web",
        {slice("web", {endpoint("10.0.0.1"), endpoint("10.0.0.1")}), slice("web", {endpoint("10.0.0.1")})});
    set(index, "web", {slice("web", {endpoint("10.0.0.1")})});
    CHECK(at_address(index, "10.0.0.1") == "web");
    set(index, "web", {});
    CHECK(at_address(index, "10.0.0.1").empty());
}

TEST_CASE("the index knows what the last slices of each Service hold, whatever came before",
          "[endpoint_index]")
{
    rc::prop("it agrees with a plain map", [] {
        EndpointIndex index;
        std::map<std::string, std::set<int>> model;
        auto steps = *rc::gen::inRange(1, 60);
        for (int i = 0; i < steps; ++i) {
            auto name = "s" + std::to_string(*rc::gen::inRange(0, 6));
            auto drawn = *rc::gen::container<std::vector<int>>(rc::gen::inRange(1, 12));
            std::set<int> addresses{drawn.begin(), drawn.end()};
            std::vector<Endpoint> endpoints;
            for (int n : addresses)
                endpoints.push_back(endpoint("10.0.0." + std::to_string(n)));
            set(index, name, {slice(name, endpoints)});
            model[name] = addresses;
        }
        for (int n = 1; n < 12; ++n) {
            std::set<ObjectKey> expected, found;
            for (const auto& [name, addresses] : model)
                if (addresses.contains(n))
                    expected.insert({"shop", name});
            index.add_services_at(addr("10.0.0." + std::to_string(n)), found);
            RC_ASSERT(found == expected);
        }
    });
}
