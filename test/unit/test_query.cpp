#include <catch2/catch.hpp>

#include "source/kube/query.hpp"

using namespace naru::kube;
using namespace std::chrono_literals;
using Mode = Reflector::Mode;

namespace {

std::string ask(Resource resource, Mode mode, std::string version, std::string token = {})
{
    return target({.resource = resource}, {.mode = mode, .version = version, .continue_token = token}, 321s);
}

} // namespace

TEST_CASE("a watch list asks for all objects and for what follows in one stream")
{
    const auto query = ask(Resource::endpoint_slices, Mode::watch_list, "");
    CHECK(query ==
          "/apis/discovery.k8s.io/v1/endpointslices?watch=1&allowWatchBookmarks=true&timeoutSeconds=321"
          "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&resourceVersion="
          "&labelSelector=%21service.kubernetes.io%2Fheadless");
}

TEST_CASE("a watch goes on from a version")
{
    const auto query = ask(Resource::endpoint_slices, Mode::watch, "42");
    CHECK_THAT(query, Catch::Contains("watch=1") && Catch::Contains("&resourceVersion=42&") &&
                          !Catch::Contains("sendInitialEvents"));
}

TEST_CASE("a list is whole when the cache answers and in pages when it is a consistent read")
{
    CHECK_THAT(ask(Resource::services, Mode::list, "0"),
               Catch::StartsWith("/api/v1/services?resourceVersion=0&") && !Catch::Contains("limit"));
    CHECK_THAT(ask(Resource::services, Mode::list, ""),
               Catch::StartsWith("/api/v1/services?limit=500&resourceVersion=&"));
}

TEST_CASE("a further page names its token and no version")
{
    const auto query = ask(Resource::services, Mode::list, "", "a/b=");
    CHECK_THAT(query, Catch::Contains("continue=a%2Fb%3D") && !Catch::Contains("resourceVersion"));
}

TEST_CASE("what other proxies serve and what is headless stays at the server")
{
    const Reflector::Step step;
    CHECK_THAT(target({.resource = Resource::services}, step, 300s),
               Catch::EndsWith("&labelSelector=%21service.kubernetes.io%2Fservice-proxy-name"
                               "&fieldSelector=spec.clusterIP%21%3DNone"));
    CHECK_THAT(
        target({.resource = Resource::services, .own_name = "mine", .field_selector = false}, step, 300s),
        Catch::EndsWith("&labelSelector=service.kubernetes.io%2Fservice-proxy-name%3Dmine"));
    CHECK_THAT(target({.resource = Resource::nodes, .own_name = "n1"}, step, 300s),
               Catch::EndsWith("&fieldSelector=metadata.name%3Dn1"));
}

TEST_CASE("protobuf is asked for first and JSON alone once it was refused")
{
    CHECK(accept(Mode::watch_list, false) ==
          "application/vnd.kubernetes.protobuf;stream=watch,application/json");
    CHECK(accept(Mode::list, false) == "application/vnd.kubernetes.protobuf,application/json");
    CHECK(accept(Mode::watch, true) == "application/json");
}
