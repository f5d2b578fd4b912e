#include <catch2/catch.hpp>

#include "source/kube/reflector.hpp"

using namespace naru::kube;
using namespace std::chrono_literals;
using Mode = Reflector::Mode;
using Effect = Reflector::Effect;
using Type = Reflector::EventType;
using Failure = Reflector::Failure;

namespace {

constexpr Reflector::Time start{1h};

// Without jitter a delay is the backoff itself.
Reflector reflector()
{
    return Reflector{[] { return 0.0; }};
}

/// A stream that has delivered its initial set and stands at version `version`.
Reflector in_sync(const std::string& version)
{
    auto r = reflector();
    r.opened(start);
    r.event(Type::added, "3", false);
    r.event(Type::bookmark, version, true);
    return r;
}

} // namespace

namespace naru::kube {

std::ostream& operator<<(std::ostream& out, const Reflector::Step& step)
{
    return out << "mode " << static_cast<int>(step.mode) << " version '" << step.version << "' continue '"
               << step.continue_token << "' delay " << step.delay.count() << " ms";
}

} // namespace naru::kube

TEST_CASE("the first request is a watch that sends the initial objects")
{
    CHECK(reflector().next() == Reflector::Step{.mode = Mode::watch_list});
}

TEST_CASE("initial objects are collected, and the end bookmark makes them the store")
{
    auto r = reflector();
    r.opened(start);
    CHECK(r.collecting());
    CHECK(r.event(Type::added, "9", false) == Effect::collect);
    CHECK(r.event(Type::bookmark, "10", false) == Effect::none);
    CHECK(r.collecting());
    CHECK(r.event(Type::bookmark, "12", true) == Effect::replace);
    CHECK_FALSE(r.collecting());
    CHECK(r.event(Type::modified, "13", false) == Effect::apply);
    CHECK(r.event(Type::deleted, "14", false) == Effect::apply);
    CHECK(r.event(Type::bookmark, "20", false) == Effect::none);
}

TEST_CASE("a stream that ends as announced is opened again at once from the last version")
{
    auto r = in_sync("12");
    r.event(Type::modified, "15", false);
    r.ended(start + 300s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "15"});
}

TEST_CASE("a bookmark moves the version")
{
    auto r = in_sync("12");
    r.event(Type::bookmark, "99", false);
    r.ended(start + 300s);
    CHECK(r.next().version == "99");
}

TEST_CASE("the versions of initial objects are never remembered")
{
    auto r = reflector();
    r.opened(start);
    r.event(Type::added, "9", false);
    r.failed(Failure::transport, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .delay = 800ms});
}

TEST_CASE("a watch that ends within a second and without an event is an error")
{
    auto r = in_sync("12");
    r.ended(start + 300s);
    r.opened(start + 300s);
    r.ended(start + 300s + 500ms);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12", .delay = 800ms});
}

TEST_CASE("a lost connection never turns a watch into a list")
{
    auto r = in_sync("12");
    r.failed(Failure::transport, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12", .delay = 800ms});
    r.failed(Failure::transport, start + 1s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12", .delay = 1600ms});
}

TEST_CASE("the backoff doubles up to its cap and starts anew after two healthy minutes")
{
    auto r = in_sync("12");
    auto now = start;
    for (auto expected : {800ms, 1600ms, 3200ms, 6400ms, 12800ms, 25600ms, 30000ms, 30000ms}) {
        r.failed(Failure::transport, now);
        CHECK(r.next().delay == expected);
        now += 31s;
    }
    r.failed(Failure::transport, now + 2min);
    CHECK(r.next().delay == 800ms);
}

TEST_CASE("streams that a balancer ends every half a minute are opened again soon, for ever")
{
    auto r = in_sync("12");
    auto now = start;
    for (int i = 0; i < 20; ++i) {
        r.opened(now);
        now += 35s;
        r.failed(Failure::transport, now);
        CHECK(r.next().delay == 800ms);
    }
    for (auto expected : {1600ms, 3200ms}) { // and then the server is away
        r.failed(Failure::transport, now += 1s);
        CHECK(r.next().delay == expected);
    }
}

TEST_CASE("jitter at most doubles a delay")
{
    Reflector r{[] { return 0.999; }};
    r.failed(Failure::transport, start);
    CHECK(r.next().delay >= 1590ms);
    CHECK(r.next().delay < 1600ms);
}

TEST_CASE("a server that asks for a pause gets it")
{
    auto r = in_sync("12");
    r.failed(Failure::transport, start, 7s);
    CHECK(r.next().delay == 7000ms);
}

TEST_CASE("an expired version is listed again from that version, then once at once without one")
{
    auto r = in_sync("12");
    r.ended(start + 300s);
    r.failed(Failure::gone, start + 301s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = "12"});
    CHECK(r.collecting());
    r.failed(Failure::gone, start + 302s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = ""});
    r.failed(Failure::gone, start + 303s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = "", .delay = 800ms});
}

TEST_CASE("an expiry in the first stream, after its initial set, is listed again")
{
    auto r = in_sync("12");
    r.failed(Failure::gone, start + 10s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = "12"});
    CHECK(r.collecting());
}

TEST_CASE("a version from the future is asked for again without one")
{
    auto r = in_sync("12");
    r.ended(start + 300s);
    r.failed(Failure::gone, start + 301s);
    r.failed(Failure::too_large, start + 302s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = ""});
}

TEST_CASE("a server that does not know initial events is listed and then watched, for good")
{
    auto r = reflector();
    r.failed(Failure::unsupported, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::list, .version = "0"});
    CHECK(r.listed("40", ""));
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "40"});
    CHECK_FALSE(r.collecting());
    r.opened(start);
    CHECK(r.event(Type::added, "41", false) == Effect::apply);
    r.failed(Failure::gone, start + 1s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::list, .version = "41"});
}

TEST_CASE("pages are asked for until the last one")
{
    auto r = reflector();
    r.failed(Failure::unsupported, start);
    CHECK_FALSE(r.listed("40", "next"));
    CHECK(r.next() == Reflector::Step{.mode = Mode::list, .version = "0", .continue_token = "next"});
    CHECK(r.listed("40", ""));
}

TEST_CASE("a failure between two pages begins the list anew")
{
    auto r = reflector();
    r.failed(Failure::unsupported, start);
    r.listed("40", "next");
    r.failed(Failure::transport, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::list, .version = "0", .delay = 800ms});
}

TEST_CASE("an initial set that does not complete falls back to a list")
{
    auto r = reflector();
    r.opened(start);
    r.event(Type::added, "9", false);
    r.failed(Failure::stalled, start + 30s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::list, .version = "0", .delay = 800ms});

    auto ended_early = reflector();
    ended_early.opened(start);
    ended_early.ended(start + 5s);
    CHECK(ended_early.next().mode == Mode::list);
}

TEST_CASE("a rejected token is tried once more at once, then with a pause")
{
    auto r = in_sync("12");
    r.ended(start + 300s);
    r.failed(Failure::unauthorized, start + 301s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12"});
    r.failed(Failure::unauthorized, start + 301s);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12", .delay = 800ms});
}

TEST_CASE("a right that was taken away is asked for again with a pause, and nothing is forgotten")
{
    auto r = in_sync("12");
    r.failed(Failure::forbidden, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch, .version = "12", .delay = 800ms});
}

TEST_CASE("a stream that cannot be understood is read from the beginning again")
{
    auto r = in_sync("12");
    r.failed(Failure::bad_frame, start);
    CHECK(r.next() == Reflector::Step{.mode = Mode::watch_list, .version = "12", .delay = 800ms});
    CHECK(r.collecting());
}

TEST_CASE("an object without a version does not move the version")
{
    auto r = in_sync("12");
    CHECK(r.event(Type::modified, "", false) == Effect::apply);
    r.ended(start + 300s);
    CHECK(r.next().version == "12");
}

TEST_CASE("versions that are refused again and again are asked for with pauses")
{
    auto r = in_sync("12");
    unsigned at_once = 0;
    for (int i = 0; i < 6; ++i) {
        r.failed(Failure::gone, start);
        at_once += r.next().delay.count() == 0;
        r.opened(start);
        r.event(Type::bookmark, "13", true); // the set comes, and what follows is refused again
    }
    CHECK(at_once == Reflector::lists_at_once);
    r.failed(Failure::gone, start + Reflector::healthy_after);
    CHECK(r.next().delay.count() == 0);
}

TEST_CASE("a watch whose parameters are refused becomes a consistent read")
{
    auto r = in_sync("12");
    r.ended(start + 400s);
    REQUIRE(r.next().mode == Mode::watch);
    r.failed(Failure::unsupported, start + 400s);
    CHECK(r.next().mode == Mode::watch_list);
    CHECK(r.next().version.empty());
    CHECK(r.next().delay.count() > 0);
}

TEST_CASE("streams that bring one event and end are not followed at the speed of the network")
{
    auto r = in_sync("12");
    r.ended(start + 400s);
    for (bool waits : {false, true, true}) {
        r.opened(start + 400s);
        r.event(Type::modified, "13", false);
        r.ended(start + 400s);
        CHECK((r.next().delay.count() > 0) == waits);
    }
}

TEST_CASE("no server can ask for more than five minutes of silence")
{
    auto r = reflector();
    r.failed(Failure::transport, start, std::chrono::hours{24});
    CHECK(r.next().delay == Reflector::longest_wait);
}

TEST_CASE("a token that is refused in a stream leaves the stream where it was")
{
    auto r = in_sync("12");
    r.failed(Failure::unauthorized, start);
    CHECK(r.next().mode == Mode::watch);
    CHECK(r.next().version == "12");
}
