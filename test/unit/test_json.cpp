#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include "builders.hpp"
#include "kube_decode.hpp"
#include "kube_json.hpp"
#include "source/kube/decoders.hpp"

using namespace naru;
using namespace naru::kube;
using namespace naru::test;

namespace {

const auto decoder = make_json_decoder();

Result<Event> event(const std::string& object, Resource resource = Resource::services)
{
    return decoder->event(bytes(R"({"type":"ADDED","object":)" + object + "}"), resource);
}

/// The Service, or nothing when it could not be decoded; the frame must be good.
std::optional<Service> service_with(const std::string& rest)
{
    auto out = event(R"({"kind":"Service","metadata":{"name":"web","namespace":"shop"},)" + rest + "}");
    REQUIRE(out);
    return out->object ? std::optional{std::get<Service>(*out->object)} : std::nullopt;
}

std::optional<EndpointSlice> slice_with(const std::string& rest)
{
    auto out =
        event(R"({"kind":"EndpointSlice","metadata":{"name":"web-a","namespace":"shop"},)" + rest + "}",
              Resource::endpoint_slices);
    REQUIRE(out);
    return out->object ? std::optional{std::get<EndpointSlice>(*out->object)} : std::nullopt;
}

std::string repeat(const char* text, int n)
{
    std::string out;
    while (n-- > 0)
        out += text;
    return out;
}

/// A Service whose deepest value is `levels` deep.
std::string nested(int levels) { return R"("future":)" + repeat("[", levels - 1) + repeat("]", levels - 1); }

} // namespace

TEST_CASE("a JSON document cut anywhere is an error")
{
    Random random{1};
    auto value = slice("web", {endpoint("10.0.0.1"), endpoint("fd00::1")});
    auto object = js::object("EndpointSlice", metadata_of(value, random), js::body(value, random), random);
    const auto whole = js::event("ADDED", object);
    const auto page = js::list("EndpointSliceList", {object, object}, "7");
    REQUIRE(decoder->event(bytes(whole), Resource::endpoint_slices)->object);
    REQUIRE(decoder->page(bytes(page), Resource::endpoint_slices)->items.size() == 2);
    for (std::size_t length = 0; length < whole.size(); ++length)
        CHECK_FALSE(decoder->event(bytes({whole.data(), length}), Resource::endpoint_slices));
    for (std::size_t length = 0; length < page.size(); ++length)
        CHECK_FALSE(decoder->page(bytes({page.data(), length}), Resource::endpoint_slices));
}

TEST_CASE("JSON changed at random is refused or understood, and never crashes")
{
    rc::prop("events of a Service", [](std::uint64_t seed) {
        Random random{seed};
        auto value = random_service(random);
        const auto whole = js::event(
            "ADDED", js::object("Service", metadata_of(value, random), js::body(value, random), random));
        for (int i = 0; i < 20; ++i) {
            auto broken = whole;
            for (auto n = 1 + random.below(3); n > 0; --n)
                broken[random.below(broken.size())] = static_cast<char>(random.below(256));
            if (auto out = decoder->event(bytes(broken), Resource::services); !out)
                RC_ASSERT(!out.error().what.empty());
        }
    });
}

TEST_CASE("null and a missing key are the same")
{
    auto missing = service_with(R"("spec":{},"status":{})");
    auto null =
        service_with(R"("spec":{"ports":null,"clusterIPs":null,"clusterIP":null,"type":null,)"
                     R"("sessionAffinityConfig":null,"loadBalancerSourceRanges":null},"status":null)");
    REQUIRE(missing);
    CHECK(missing == null);
    CHECK(missing->type == ServiceType::cluster_ip);
}

TEST_CASE("a condition is true, false or absent in JSON")
{
    auto conditions = [](const std::string& text) {
        return slice_with(R"("endpoints":[{"addresses":["10.0.0.1"],"conditions":)" + text + "}]")
            ->endpoints.at(0);
    };
    CHECK_FALSE(conditions("{}").ready);
    CHECK_FALSE(conditions("null").serving);
    CHECK_FALSE(conditions(R"({"terminating":null})").terminating);
    CHECK(conditions(R"({"ready":false})").ready == std::optional{false});
    CHECK(conditions(R"({"serving":true})").serving == std::optional{true});
}

TEST_CASE("only the first of many addresses counts, and it must be one")
{
    auto addresses = [](const std::string& text) {
        return slice_with(R"("endpoints":[{"addresses":)" + text + "}]")->endpoints;
    };
    std::string hundred = R"(["10.0.0.1")" + repeat(R"(,"10.0.0.2")", 99) + "]";
    REQUIRE(addresses(hundred).size() == 1);
    CHECK(addresses(hundred).front().address == addr("10.0.0.1"));
    CHECK(addresses("[]").empty());
    CHECK(addresses("null").empty());
    CHECK(addresses(R"(["www.example.org","10.0.0.1"])").empty());
}

TEST_CASE("a value of another type makes its object undecodable, and only that")
{
    CHECK(service_with(R"("spec":{"ports":[{"port":80}]})")->ports.at(0).port.host == 80);
    for (const auto* wrong :
         {R"("spec":{"ports":[{"port":"80"}]})", R"("spec":{"ports":[{"port":80.5}]})",
          R"("spec":{"ports":{}})", R"("spec":{"ports":[80]})", R"("spec":[])", R"("spec":{"clusterIP":1})",
          R"("spec":{"clusterIPs":[1]})", R"("spec":{"type":true})", R"("status":{"loadBalancer":[]})",
          R"("spec":{"ports":[{"port":true}]})", R"("spec":{"ports":[{"port":99999999999999999999}]})"}) {
        INFO(wrong);
        CHECK_FALSE(service_with(wrong));
    }
    CHECK_FALSE(slice_with(R"("endpoints":[{"addresses":["10.0.0.1"],"conditions":{"ready":"true"}}])"));
    CHECK_FALSE(slice_with(R"("endpoints":[{"addresses":"10.0.0.1"}])"));
    auto strange = event(R"({"kind":7,"metadata":{}})");
    REQUIRE(strange);
    CHECK_FALSE(strange->object);

    auto page = decoder->page(
        bytes(R"({"kind":"ServiceList","metadata":{"resourceVersion":"7"},"items":[)"
              R"({"metadata":{"name":"a"}},{"spec":{"ports":"none"}},3,{"metadata":{"name":"b"}}]})"),
        Resource::services);
    REQUIRE(page);
    CHECK(page->items.size() == 2);
    CHECK(page->skipped == 2);
    CHECK(page->version == "7");
}

TEST_CASE("a port that is no port number is none")
{
    CHECK(service_with(R"("spec":{"ports":[{"port":0,"nodePort":-1}]})")->ports.at(0).port.host == 0);
    CHECK(service_with(R"("spec":{"ports":[{"port":65616}]})")->ports.at(0).port.host == 0);
    CHECK_FALSE(slice_with(R"("ports":[{"port":65616}])")->ports.at(0).port);
}

TEST_CASE("of a key that is there twice the last one counts")
{
    CHECK(service_with(R"("spec":{"clusterIP":"10.96.0.1","clusterIP":"10.96.0.2"})")->cluster_ips ==
          std::vector{addr("10.96.0.2")});
}

TEST_CASE("invalid UTF-8, NUL and escapes are kept as bytes")
{
    auto ports =
        service_with("\"spec\":{\"ports\":[{\"name\":\"a\xff\xc0\\u0000\\n\x80\",\"port\":80}]}")->ports;
    CHECK(std::string_view{ports.at(0).name} == std::string_view{"a\xff\xc0\0\n\x80", 6});
}

TEST_CASE("an object nested deeper than 64 is left out, and only that")
{
    CHECK(service_with(nested(64)));
    CHECK_FALSE(service_with(nested(65)));
    CHECK_FALSE(service_with(nested(900)));
    CHECK_FALSE(event("{" + nested(2000) + "}"));

    auto page = decoder->page(
        bytes(R"({"kind":"ServiceList","items":[{"metadata":{"name":"a"}},{)" + nested(65) + "}]}"),
        Resource::services);
    REQUIRE(page);
    CHECK(page->items.size() == 1);
    CHECK(page->skipped == 1);
}

TEST_CASE("what is no document, no event or no list of the kind is an error")
{
    for (const auto* wrong :
         {"", "<html></html>", "null", "[]", "3", R"({"type":"ADDED"})", R"({"object":{}})",
          R"({"type":"PAUSED","object":{}})", R"({"type":"ADDED","object":null})",
          R"({"type":"ADDED","object":[]})", R"({"type":"ADDED","object":{}} trailing)"}) {
        INFO(wrong);
        CHECK_FALSE(decoder->event(bytes(wrong), Resource::services));
    }
    for (const auto* wrong : {"", "{}", R"({"kind":"PodList","items":[]})", R"({"kind":"Status"})",
                              R"({"kind":"ServiceList","items":{}})"}) {
        INFO(wrong);
        CHECK_FALSE(decoder->page(bytes(wrong), Resource::services));
    }
    auto foreign = event(R"({"kind":"Pod","metadata":{"name":"a"}})");
    REQUIRE(foreign);
    CHECK_FALSE(foreign->object);
}

TEST_CASE("an empty list is a list")
{
    auto page = decoder->page(bytes(R"({"kind":"NodeList","metadata":{"resourceVersion":"9"},"items":null})"),
                              Resource::nodes);
    REQUIRE(page);
    CHECK(page->items.empty());
    CHECK(page->version == "9");
}

TEST_CASE("a JSON bookmark gives its version and the end of the initial events, no object")
{
    auto bookmark = decoder->event(
        bytes(
            R"({"type":"BOOKMARK","object":{"kind":"Node","metadata":{"resourceVersion":"42","annotations":)"
            R"({"k8s.io/initial-events-end":"true"}}}})"),
        Resource::nodes);
    REQUIRE(bookmark);
    CHECK(bookmark->type == Event::Type::bookmark);
    CHECK(bookmark->version == "42");
    CHECK(bookmark->initial_events_end);
    CHECK_FALSE(bookmark->object);
}

TEST_CASE("a JSON Status tells its code, reason, wait and the causes that matter")
{
    const std::string status =
        R"({"kind":"Status","message":"too old","reason":"Expired","code":410,"details":{"retryAfterSeconds":3,)"
        R"("causes":[{"reason":"Other"},{"reason":"ResourceVersionTooLarge"}]}})";
    const Status expected{.code = 410,
                          .reason = "Expired",
                          .message = "too old",
                          .version_too_large = true,
                          .retry_after_sec = 3};
    CHECK(*decoder->status(bytes(status)) == expected);
    CHECK(decoder->event(bytes(R"({"type":"ERROR","object":)" + status + "}"), Resource::nodes)->status ==
          expected);
    CHECK(decoder->status(bytes(R"({"kind":"Status"})")) == Status{});
    CHECK_FALSE(decoder->status(bytes(R"({"kind":"Service"})")));
    CHECK_FALSE(decoder->status(bytes("<html>")));
}
