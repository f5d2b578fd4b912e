#include <catch2/catch.hpp>

#include "source/manifest/manifests.hpp"

using namespace naru;

namespace {

FileObjects with_service(const std::string& uid)
{
    FileObjects objects;
    auto& service = objects.services[{"shop", "web"}];
    service.key = {"shop", "web"};
    service.uid = uid;
    return objects;
}

EndpointSlice slice(const std::string& name)
{
    return {.key = {"shop", name},
            .service = "web",
            .family = Family::v4,
            .ports = {},
            .endpoints = {},
            .weights = {}};
}

} // namespace

TEST_CASE("of one object in two files the file that sorts first has it, and the other is told")
{
    std::vector<Complaint> complaints;
    auto snapshot =
        merge({{"b.yaml", with_service("second")}, {"a.yaml", with_service("first")}}, "n", complaints);
    REQUIRE(snapshot.services.size() == 1);
    CHECK(snapshot.services.begin()->second.uid == "first");
    REQUIRE(complaints.size() == 1);
    CHECK(complaints[0].text() ==
          "b.yaml: Service shop/web is left out: \"a.yaml\", which sorts first, has it too");
}

TEST_CASE("Endpoints count only while the Service has no EndpointSlice in any file")
{
    FileObjects old, modern;
    old.endpoints[{"shop", "web"}] = {slice("web/subset-0-ipv4")};
    modern.slices[{"shop", "web-1"}] = slice("web-1");

    std::vector<Complaint> complaints;
    CHECK(merge({{"a.yaml", old}}, "n", complaints).slices.contains({"shop", "web/subset-0-ipv4"}));
    CHECK(complaints.empty());

    auto snapshot = merge({{"a.yaml", old}, {"b.yaml", modern}}, "n", complaints);
    CHECK(snapshot.slices.size() == 1);
    CHECK(snapshot.slices.contains({"shop", "web-1"}));
    REQUIRE(complaints.size() == 1);
    CHECK(complaints[0].text() == "a.yaml: Endpoints shop/web is left out: the Service has EndpointSlices");
}

TEST_CASE("only the own Node is handed on")
{
    FileObjects objects;
    objects.nodes["n1"] = {"n1", "a", {}};
    objects.nodes["n2"] = {"n2", "b", {}};
    std::vector<Complaint> complaints;
    auto own = merge({{"a.yaml", objects}}, "n2", complaints).node;
    REQUIRE(own);
    CHECK(own->zone == "b");
    CHECK_FALSE(merge({{"a.yaml", objects}}, "n3", complaints).node);
}
