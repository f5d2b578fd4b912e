#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include "builders.hpp"
#include "kube_decode.hpp"
#include "kube_json.hpp"
#include "kube_protobuf.hpp"
#include "source/kube/decoders.hpp"

using namespace naru;
using namespace naru::kube;
using namespace naru::test;
using protozero::pbf_writer;

namespace {

const auto protobuf = make_protobuf_decoder();
const auto json_decoder = make_json_decoder();

/// One object in both encodings, and what both must give.
struct Sample {
    Object object;
    std::size_t resource = 0;
    std::string version;
    std::string protobuf; ///< without its envelope
    js::json::object json;
};

template <class T>
Sample sample_of(T value, std::size_t resource, Random& random)
{
    auto meta = metadata_of(value, random);
    Sample out{.object = value,
               .resource = resource,
               .version = meta.version,
               .protobuf = pb::object(value, meta, random),
               .json = {}};
    if constexpr (std::is_same_v<T, Node>)
        out.json = js::object(kinds[resource], meta, js::body(value, meta, random), random);
    else
        out.json = js::object(kinds[resource], meta, js::body(value, random), random);
    return out;
}

Sample random_sample(Random& random)
{
    switch (random.below(3)) {
    case 0:
        return sample_of(random_service(random), 0, random);
    case 1:
        return sample_of(random_slice(random), 1, random);
    default:
        return sample_of(random_node(random), 2, random);
    }
}

/// A slice with one endpoint of every field, in a frame.
std::string some_frame()
{
    Random random{1};
    auto value = slice("web", {endpoint("10.0.0.1"), endpoint("fd00::1")});
    value.endpoints.front().ready = false;
    value.endpoints.front().zone_hints = {"a"};
    return pb::event("ADDED", "EndpointSlice", pb::object(value, metadata_of(value, random), random));
}

std::string status_message(const std::string& cause, std::int32_t retry_after)
{
    std::string raw;
    pbf_writer to{raw};
    pb::message(to, 1, [](pbf_writer&) {});
    to.add_string(2, "Failure");
    to.add_string(3, "too old");
    to.add_string(4, "Expired");
    pb::message(to, 5, [&](pbf_writer& details) {
        details.add_string(3, "services");
        pb::message(details, 4, [](pbf_writer& in) { in.add_string(1, "FieldValueInvalid"); });
        pb::message(details, 4, [&](pbf_writer& in) {
            in.add_string(2, "a message");
            in.add_string(1, cause);
        });
        details.add_int32(5, retry_after);
    });
    to.add_int32(6, 410);
    return raw;
}

} // namespace

TEST_CASE("an object in either encoding decodes to the same value")
{
    rc::prop("events and lists, 50,000 objects in 100 runs", [](std::uint64_t seed) {
        Random random{seed};
        std::array<std::vector<std::string>, 3> items;
        std::array<js::json::array, 3> json_items;
        std::array<std::vector<Object>, 3> expected;
        for (int i = 0; i < 500; ++i) {
            auto sample = random_sample(random);
            const auto resource = resources[sample.resource];
            auto binary = protobuf->event(
                bytes(pb::event("MODIFIED", kinds[sample.resource], sample.protobuf)), resource);
            auto text = json_decoder->event(bytes(js::event("MODIFIED", sample.json)), resource);
            RC_ASSERT(binary.has_value());
            RC_ASSERT(text.has_value());
            RC_ASSERT(binary->object == std::optional{sample.object});
            RC_ASSERT(text->object == std::optional{sample.object});
            RC_ASSERT(binary->version == sample.version);
            RC_ASSERT(text->version == sample.version);
            sample.json.erase("kind");
            items[sample.resource].push_back(std::move(sample.protobuf));
            json_items[sample.resource].push_back(std::move(sample.json));
            expected[sample.resource].push_back(std::move(sample.object));
        }
        for (std::size_t i = 0; i < 3; ++i) {
            const auto kind = std::string{kinds[i]} + "List";
            auto binary = protobuf->page(bytes(pb::list(kind, items[i], "7", "more")), resources[i]);
            auto text = json_decoder->page(bytes(js::list(kind, json_items[i], "7", "more")), resources[i]);
            RC_ASSERT(binary.has_value());
            RC_ASSERT(text.has_value());
            RC_ASSERT(binary->items == expected[i]);
            RC_ASSERT(text->items == expected[i]);
            RC_ASSERT(binary->skipped + text->skipped == 0u);
            RC_ASSERT(binary->version + text->version == "77");
            RC_ASSERT(binary->continue_token + text->continue_token == "moremore");
        }
    });
}

TEST_CASE("a protobuf frame cut anywhere is an error, never half an object")
{
    const auto whole = some_frame();
    REQUIRE(protobuf->event(bytes(whole), Resource::endpoint_slices)->object);
    for (std::size_t length = 0; length < whole.size(); ++length) {
        INFO("cut to " << length << " of " << whole.size());
        CHECK_FALSE(protobuf->event(bytes({whole.data(), length}), Resource::endpoint_slices));
    }
}

TEST_CASE("a protobuf list cut anywhere is an error or whole")
{
    Random random{2};
    auto value = service("web");
    auto item = pb::object(value, metadata_of(value, random), random);
    const auto whole = pb::list("ServiceList", {item, item}, "7");
    for (std::size_t length = 0; length < whole.size(); ++length)
        if (auto page = protobuf->page(bytes({whole.data(), length}), Resource::services)) {
            INFO("cut to " << length << " of " << whole.size());
            CHECK(page->items.size() == 2);
            CHECK(page->version == "7");
        }
}

TEST_CASE("an object cut inside a whole frame is left out or a prefix of fields, and the frame is good")
{
    Random random{3};
    auto value = slice("web", {endpoint("10.0.0.1"), endpoint("10.0.0.2")});
    const auto object = pb::object(value, metadata_of(value, random), random);
    std::size_t left_out = 0;
    for (std::size_t length = 0; length < object.size(); ++length) {
        auto event = protobuf->event(bytes(pb::event("ADDED", "EndpointSlice", {object.data(), length})),
                                     Resource::endpoint_slices);
        REQUIRE(event);
        left_out += !event->object;
    }
    CHECK(left_out + 20 > object.size()); // only cuts between fields cannot be seen
}

TEST_CASE("bytes changed at random are refused or understood, and never crash")
{
    rc::prop("events of every kind", [](std::uint64_t seed) {
        Random random{seed};
        auto sample = random_sample(random);
        auto frame = pb::event("ADDED", kinds[sample.resource], sample.protobuf);
        for (int i = 0; i < 50; ++i) {
            auto broken = frame;
            for (auto n = 1 + random.below(4); n > 0; --n)
                broken[random.below(broken.size())] = static_cast<char>(random.below(256));
            for (auto resource : resources)
                if (auto event = protobuf->event(bytes(broken), resource); !event)
                    RC_ASSERT(!event.error().what.empty());
        }
    });
}

TEST_CASE("a field of another wire type than its number promises makes its object undecodable")
{
    const auto decoded = [](Resource resource, const std::string& raw) {
        auto event = protobuf->event(
            bytes(pb::event("ADDED", kinds[static_cast<std::size_t>(resource)], raw)), resource);
        REQUIRE(event);
        return event->object.has_value();
    };
    const auto nested = [](std::initializer_list<protozero::pbf_tag_type> path, auto write) {
        std::string raw;
        pbf_writer innermost{raw};
        write(innermost);
        for (auto tag = std::rbegin(path); tag != std::rend(path); ++tag) {
            std::string outer;
            pbf_writer{outer}.add_message(*tag, raw);
            raw = std::move(outer);
        }
        return raw;
    };
    const auto number_at = [](protozero::pbf_tag_type tag) {
        return [tag](pbf_writer& to) { to.add_int32(tag, 5); };
    };
    const auto text_at = [](protozero::pbf_tag_type tag) {
        return [tag](pbf_writer& to) { to.add_string(tag, "80"); };
    };

    CHECK(decoded(Resource::services, nested({2, 1}, number_at(3)))); // a port, as it should be
    CHECK_FALSE(decoded(Resource::services, nested({2, 1}, text_at(3))));
    CHECK_FALSE(decoded(Resource::services, nested({2}, number_at(1))));
    CHECK_FALSE(decoded(Resource::services, nested({2}, number_at(3))));
    CHECK_FALSE(decoded(Resource::services, nested({2, 14, 1}, text_at(1))));
    CHECK_FALSE(decoded(Resource::services, nested({1}, number_at(1))));
    CHECK_FALSE(decoded(Resource::services, nested({1, 8}, text_at(1))));
    CHECK_FALSE(decoded(Resource::services, nested({3, 1, 1}, number_at(1))));
    CHECK_FALSE(decoded(Resource::endpoint_slices, nested({2, 2}, text_at(1))));
    CHECK_FALSE(decoded(Resource::endpoint_slices, nested({3}, text_at(3))));
    CHECK_FALSE(decoded(Resource::nodes, nested({2}, number_at(5))));
    CHECK_FALSE(decoded(Resource::nodes, nested({3, 5}, number_at(2))));
    CHECK(decoded(Resource::nodes, nested({3, 5}, text_at(2))));
}

TEST_CASE("a condition is true, false or absent in protobuf")
{
    auto conditions = [](std::initializer_list<std::pair<protozero::pbf_tag_type, bool>> fields) {
        std::string raw;
        pbf_writer object{raw};
        pb::message(object, 2, [&](pbf_writer& to) {
            to.add_string(1, "10.0.0.1");
            pb::message(to, 2, [&](pbf_writer& in) {
                for (auto [tag, value] : fields)
                    in.add_bool(tag, value);
            });
        });
        auto event =
            protobuf->event(bytes(pb::event("ADDED", "EndpointSlice", raw)), Resource::endpoint_slices);
        return std::get<EndpointSlice>(*event->object).endpoints.at(0);
    };
    CHECK_FALSE(conditions({}).ready);
    CHECK_FALSE(conditions({}).serving);
    CHECK_FALSE(conditions({}).terminating);
    CHECK(conditions({{1, false}}).ready == std::optional{false});
    CHECK(conditions({{2, true}, {3, false}}).serving == std::optional{true});
    CHECK(conditions({{2, true}, {3, false}}).terminating == std::optional{false});
}

TEST_CASE("an item that cannot be decoded costs nothing but itself")
{
    Random random{4};
    auto value = service("web");
    auto good = pb::object(value, metadata_of(value, random), random);
    auto page =
        protobuf->page(bytes(pb::list("ServiceList", {good, "\xff\xff\xff", good, good.substr(0, 5)}, "7")),
                       Resource::services);
    REQUIRE(page);
    CHECK(page->items.size() == 2);
    CHECK(page->skipped == 2);
    CHECK(page->version == "7");
}

TEST_CASE("an object of another kind is left out, a list of another kind is no answer")
{
    Random random{5};
    auto value = service("web");
    auto raw = pb::object(value, metadata_of(value, random), random);
    auto event = protobuf->event(bytes(pb::event("ADDED", "Pod", raw)), Resource::services);
    REQUIRE(event);
    CHECK_FALSE(event->object);
    CHECK_FALSE(protobuf->page(bytes(pb::list("PodList", {raw}, "7")), Resource::services));
    CHECK_FALSE(protobuf->page(bytes(pb::envelope("Service", raw)), Resource::services));
}

TEST_CASE("a frame without an event of a known type and an object is an error")
{
    Random random{6};
    auto value = service("web");
    auto raw = pb::object(value, metadata_of(value, random), random);
    CHECK_FALSE(protobuf->event(bytes(pb::event("PAUSED", "Service", raw)), Resource::services));
    CHECK_FALSE(protobuf->event(bytes(""), Resource::services));
    std::string no_magic;
    pbf_writer to{no_magic};
    to.add_string(1, "ADDED");
    pb::message(to, 2, [&](pbf_writer& in) { in.add_bytes(1, raw); });
    CHECK_FALSE(protobuf->event(bytes(no_magic), Resource::services));
}

TEST_CASE("a bookmark gives its version and the end of the initial events, no object")
{
    auto bookmark = [](const std::string& annotation) {
        Random random{7};
        RandomMetadata meta;
        meta.version = "42";
        meta.annotations = {{"k8s.io/initial-events-end", annotation}};
        std::string raw;
        pbf_writer to{raw};
        pb::metadata(to, meta, random);
        return *protobuf->event(bytes(pb::event("BOOKMARK", "Service", raw)), Resource::services);
    };
    CHECK(bookmark("true").type == Event::Type::bookmark);
    CHECK(bookmark("true").version == "42");
    CHECK(bookmark("true").initial_events_end);
    CHECK_FALSE(bookmark("true").object);
    CHECK_FALSE(bookmark("false").initial_events_end);
}

TEST_CASE("a protobuf Status tells its code, reason, wait and the causes that matter")
{
    const Status expired{.code = 410,
                         .reason = "Expired",
                         .message = "too old",
                         .version_too_large = false,
                         .retry_after_sec = 3};
    CHECK(*protobuf->status(bytes(pb::envelope("Status", status_message("Other", 3)))) == expired);
    CHECK(protobuf->event(bytes(pb::event("ERROR", "Status", status_message("Other", 3))), Resource::nodes)
              ->status == expired);
    auto ahead =
        protobuf->status(bytes(pb::envelope("Status", status_message("ResourceVersionTooLarge", 0))));
    CHECK(ahead->version_too_large);
    CHECK_FALSE(ahead->retry_after_sec);
    CHECK_FALSE(protobuf->status(bytes(pb::envelope("Service", status_message("Other", 3)))));
    CHECK_FALSE(protobuf->status(bytes("<html>")));
}
