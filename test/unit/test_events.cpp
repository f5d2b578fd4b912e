// Which requests come out when occurrences and answers go in.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "source/kube/events.hpp"

using namespace naru;
using namespace naru::kube;
using namespace std::chrono_literals;
namespace json = boost::json;

namespace {

const EventLog::Time start{};
constexpr EventLimits at_once{.spread = 0ms};

Occurrence said(std::string message, std::string service = "web", bool of_this_node = false)
{
    return {.object = {"shop", std::move(service)},
            .uid = "u",
            .reason = "NoRoom",
            .message = std::move(message),
            .of_this_node = of_this_node};
}

/// A log and its clock.
struct Script {
    EventLog log;
    std::chrono::milliseconds now{0};

    explicit Script(EventLimits limits = at_once, std::string node = "n1") : log{std::move(node), limits} {}

    void tell(const Occurrence& occurrence)
    {
        log.tell(occurrence, {start + now, std::chrono::duration_cast<std::chrono::seconds>(now).count()});
    }

    /// What is sent now, as "POST message x1" or "PATCH x2"; empty: nothing.
    std::string take()
    {
        const auto request = log.take(start + now);
        if (!request)
            return {};
        const auto body = json::parse(request->body).as_object();
        const auto count = " x" + std::to_string(body.at("count").as_int64());
        if (request->method == "PATCH") {
            CHECK(request->content_type == "application/merge-patch+json");
            return "PATCH" + count;
        }
        CHECK(request->content_type == "application/json");
        CHECK(request->target == "/api/v1/namespaces/shop/events");
        return request->method + " " + std::string{body.at("message").as_string()} + count;
    }

    /// take(), answered with `status`.
    std::string exchange(unsigned status)
    {
        auto taken = take();
        if (!taken.empty())
            kept = log.answered({.status = status}, start + now);
        return taken;
    }

    /// How long until something is due; nullopt: nothing waits.
    std::optional<std::chrono::milliseconds> waits() const
    {
        const auto next = log.next();
        return next
                   ? std::optional{std::chrono::duration_cast<std::chrono::milliseconds>(*next - start - now)}
                   : std::nullopt;
    }

    bool kept = true;
};

} // namespace

TEST_CASE("an occurrence is posted once, its repetitions are patches that count")
{
    Script s;
    s.tell(said("a"));
    CHECK(s.exchange(201) == "POST a x1");
    CHECK(s.exchange(201).empty());
    s.tell(said("a"));
    CHECK(s.exchange(200) == "PATCH x2");
    s.tell(said("b"));
    CHECK(s.exchange(201) == "POST b x1");
    CHECK(s.log.stats().created == 2);
    CHECK(s.log.stats().repeated == 1);
}

TEST_CASE("a patch goes to the Event that was posted, with its times")
{
    Script s;
    s.tell(said("a"));
    const auto name = std::string{json::parse(s.log.take(start)->body).at("metadata").at("name").as_string()};
    s.log.answered({.status = 201}, start);
    s.now = 90s;
    s.tell(said("a"));
    const auto patch = s.log.take(start + 90s);
    REQUIRE(patch);
    CHECK(patch->target == "/api/v1/namespaces/shop/events/" + name);
    CHECK(json::parse(patch->body) == json::parse(R"({"firstTimestamp": "1970-01-01T00:00:00Z",
                                                       "lastTimestamp": "1970-01-01T00:01:30Z", "count": 2})"));
}

TEST_CASE("repetitions that come while one waits are told with it")
{
    Script s;
    for (int i = 0; i < 5; i++)
        s.tell(said("a"));
    CHECK(s.exchange(201) == "POST a x5");
    CHECK(s.exchange(201).empty());
}

TEST_CASE("a repetition that comes while the first is on its way is a patch")
{
    Script s;
    s.tell(said("a"));
    CHECK(s.take() == "POST a x1");
    s.tell(said("a"));
    s.log.answered({.status = 201}, start);
    CHECK(s.exchange(200) == "PATCH x2");
}

TEST_CASE("what another node has told is left to it, and told when its Event is gone")
{
    Script s;
    s.tell(said("a"));
    CHECK(s.exchange(409) == "POST a x1");
    CHECK(s.kept);
    CHECK(s.log.stats().shared == 1);
    CHECK_FALSE(s.waits());
    s.tell(said("a"));
    CHECK(s.exchange(201) == "POST a x2");
    s.tell(said("a"));
    CHECK(s.exchange(200) == "PATCH x3");
}

TEST_CASE("an own Event of an earlier life of the agent is patched")
{
    Script s;
    s.tell(said("a", "web", true));
    CHECK(s.exchange(409) == "POST a x1");
    CHECK(s.exchange(200) == "PATCH x1");
    CHECK_FALSE(s.waits());
}

TEST_CASE("an Event that has expired is posted anew")
{
    Script s;
    s.tell(said("a"));
    s.exchange(201);
    s.tell(said("a"));
    CHECK(s.exchange(404) == "PATCH x2");
    CHECK(s.exchange(201) == "POST a x2");
}

TEST_CASE("answers that go back and forth end")
{
    Script s;
    s.tell(said("a", "web", true));
    CHECK(s.exchange(409) == "POST a x1");
    CHECK(s.exchange(404) == "PATCH x1");
    CHECK(s.exchange(409) == "POST a x1");
    CHECK_FALSE(s.kept);
    CHECK_FALSE(s.waits());
    CHECK(s.log.stats().failed == 1);
}

TEST_CASE("a refusal is final")
{
    const auto status = GENERATE(400u, 403u, 404u, 405u, 413u, 422u, 302u);
    Script s;
    s.tell(said("a"));
    CHECK(s.exchange(status) == "POST a x1");
    CHECK_FALSE(s.kept);
    CHECK_FALSE(s.waits());
    CHECK(s.log.stats().failed == 1);
}

TEST_CASE("trouble that may pass is waited out, three tries in all")
{
    const auto status = GENERATE(0u, 401u, 408u, 429u, 500u, 503u);
    Script s;
    s.tell(said("a"));
    CHECK(s.exchange(status) == "POST a x1");
    CHECK(s.waits() == 1000ms);
    CHECK(s.exchange(status).empty());
    s.now += 1s;
    CHECK(s.exchange(status) == "POST a x1");
    CHECK(s.waits() == 5000ms);
    s.now += 5s;
    CHECK(s.kept);
    CHECK(s.exchange(status) == "POST a x1");
    CHECK_FALSE(s.kept);
    CHECK_FALSE(s.waits());
    CHECK(s.log.stats().failed == 1);
}

TEST_CASE("the wait that the server asks for is kept, up to a minute")
{
    const auto [asked, waited] = GENERATE(table<std::chrono::milliseconds, std::chrono::milliseconds>(
        {{500ms, 1000ms}, {7000ms, 7000ms}, {3'600'000ms, 60'000ms}}));
    Script s;
    s.tell(said("a"));
    s.take();
    s.log.answered({.status = 429, .retry_after = asked}, start);
    CHECK(s.waits() == waited);
}

TEST_CASE("one Service has 25 Events at once, then one in five minutes, and others have theirs")
{
    Script s;
    for (int i = 0; i < 30; i++)
        s.tell(said(std::to_string(i)));
    int sent = 0;
    while (!s.exchange(201).empty())
        sent++;
    CHECK(sent == 25);
    CHECK(s.log.stats().dropped == 5);

    s.tell(said("x", "other"));
    CHECK(s.exchange(201) == "POST x x1");
    s.now += 299s;
    s.tell(said("late"));
    CHECK(s.exchange(201).empty());
    s.now += 1s;
    s.tell(said("late"));
    CHECK(s.exchange(201) == "POST late x2");
}

TEST_CASE("all Services together have 100 at once, then one a second")
{
    Script s;
    const auto flood = [&](int from, int count) {
        for (int i = from; i < from + count; i++)
            s.tell(said("a", "web" + std::to_string(i)));
        int sent = 0;
        while (!s.exchange(201).empty())
            sent++;
        return sent;
    };
    CHECK(flood(0, 300) == 100);
    s.now += 3s;
    CHECK(flood(300, 300) == 3);
    CHECK(s.log.stats().dropped == 200 + 297);
}

TEST_CASE("when too many wait the oldest is dropped, and may be told again")
{
    Script s{{.queue = 3, .spread = 0ms}};
    for (const auto* message : {"a", "b", "c", "d"}) {
        s.tell(said(message));
        s.now += 1ms;
    }
    CHECK(s.log.stats().dropped == 1);
    CHECK(s.exchange(201) == "POST b x1");
    CHECK(s.exchange(201) == "POST c x1");
    CHECK(s.exchange(201) == "POST d x1");
    CHECK(s.exchange(201).empty());
    s.tell(said("a"));
    CHECK(s.exchange(201) == "POST a x2");
}

TEST_CASE("what was not seen for longest is forgotten first")
{
    Script s{{.remembered = 2, .spread = 0ms}};
    for (const auto* message : {"a", "b", "a", "c"}) {
        s.tell(said(message));
        s.exchange(201);
    }
    s.tell(said("a"));
    CHECK(s.exchange(200) == "PATCH x3");
    s.tell(said("b"));
    CHECK(s.exchange(201) == "POST b x1");
}

TEST_CASE("one that is forgotten while it waits or is on its way harms nobody")
{
    Script s{{.remembered = 1, .spread = 0ms}};
    s.tell(said("a"));
    s.tell(said("b"));
    CHECK(s.take() == "POST b x1");
    s.tell(said("c"));
    CHECK(s.log.answered({.status = 500}, start));
    CHECK(s.exchange(201) == "POST c x1");
    CHECK_FALSE(s.waits());
}

TEST_CASE("nodes tell what they all know one after another, and their own at once")
{
    Script a{{}, "n1"}, b{{}, "n2"};
    for (auto* s : {&a, &b}) {
        s->tell(said("all"));
        s->tell(said("own", "web", true));
        CHECK(s->exchange(201) == "POST own x1");
        REQUIRE(s->waits());
        CHECK(*s->waits() < 5000ms);
    }
    CHECK(a.waits() != b.waits());
    a.now = *a.waits();
    CHECK(a.exchange(201) == "POST all x1");
}

TEST_CASE("names that would not be safe in a path are not sent")
{
    Script s;
    auto hostile = said("a", "../../secrets");
    s.tell(hostile);
    hostile = said("a");
    hostile.object.ns = "a/b";
    s.tell(hostile);
    CHECK_FALSE(s.waits());
    CHECK(s.log.stats().dropped == 2);
}

TEST_CASE("a bucket gives what it holds, then one each interval, and no more after a long rest")
{
    TokenBucket bucket{2, 10s, start};
    CHECK(bucket.take(start));
    CHECK_FALSE(bucket.full(start));
    CHECK(bucket.take(start));
    CHECK_FALSE(bucket.take(start + 9s));
    CHECK(bucket.take(start + 10s));
    CHECK_FALSE(bucket.take(start + 19s));
    CHECK(bucket.take(start + 20s));
    CHECK(bucket.full(start + 1000s));
    CHECK(bucket.take(start + 1000s));
    CHECK(bucket.take(start + 1000s));
    CHECK_FALSE(bucket.take(start + 1000s));
}
