#include <catch2/catch.hpp>

#include "model/relist_guard.hpp"

using namespace naru;
using namespace std::chrono_literals;

namespace {

constexpr RelistGuard::Time start{1h};

/// shop/0 .. shop/(n-1)
std::set<ObjectKey> keys(int from, int to)
{
    std::set<ObjectKey> out;
    for (int i = from; i < to; ++i)
        out.insert({"shop", std::to_string(i)});
    return out;
}

std::set<ObjectKey> first(int n) { return keys(0, n); }

RelistGuard guard(RelistLimits limits = {}) { return RelistGuard{"Services", limits}; }

} // namespace

TEST_CASE("a list is held back when it takes away more than half and more than ten", "[relist_guard]")
{
    struct Row {
        int before, after;
        std::size_t held;
    };
    auto row = GENERATE(Row{0, 0, 0}, Row{0, 100, 0}, Row{100, 100, 0}, Row{100, 50, 0}, Row{100, 49, 51},
                        Row{100, 0, 100}, Row{10, 0, 0}, Row{11, 0, 11}, Row{20, 10, 0}, Row{20, 9, 11},
                        Row{22, 11, 0}, Row{10'000, 5'000, 0}, Row{10'000, 4'999, 5'001});
    auto g = guard();
    auto verdict = g.judge(first(row.before), first(row.after), false, start);
    CAPTURE(row.before, row.after);
    CHECK(verdict.held.size() == row.held);
    CHECK(g.alarming() == (row.held > 0));
    CHECK(g.relist_at() == (row.held ? std::optional{start + 30s} : std::nullopt));
    CHECK(verdict.alarm.empty() == (row.held == 0));
}

TEST_CASE("both limits can be moved and the guard switched off", "[relist_guard]")
{
    struct Row {
        RelistLimits limits;
        int after;
        bool held;
    };
    auto row = GENERATE(Row{{.on = false}, 0, false}, Row{{.percent = 90}, 11, false},
                        Row{{.percent = 90}, 9, true}, Row{{.percent = 0, .count = 0}, 99, true},
                        Row{{.percent = 0, .count = 0}, 100, false}, Row{{.count = 60}, 45, false},
                        Row{{.count = 60}, 39, true}, Row{{.percent = 100}, 0, false});
    CAPTURE(row.limits.text(), row.after);
    CHECK(guard(row.limits).judge(first(100), first(row.after), false, start).held.empty() == !row.held);
}

TEST_CASE("the removals are held, what else the list says is not", "[relist_guard]")
{
    auto g = guard();
    auto after = keys(95, 120); // 95 gone, 20 new
    CHECK(g.judge(first(100), after, false, start).held == first(95));
    CHECK(g.held() == 95);
}

TEST_CASE("an alarm says how much is at stake and how to override it", "[relist_guard]")
{
    CHECK(guard().judge(first(100), first(2), false, start).alarm ==
          "the list lacks 98 of 100 Services: they are kept, and the API server is asked again in 30 s; "
          "--relist-guard=off believes such a list at once");
}

TEST_CASE("a second consistent list that lacks the same is believed", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(2), false, start);
    auto verdict = g.judge(first(100), first(2), true, start + 30s);
    CHECK(verdict.held.empty());
    CHECK(verdict.alarm == "a second list lacks them too: 98 Services are gone");
    CHECK_FALSE(g.alarming());
    CHECK_FALSE(g.relist_at());
}

TEST_CASE("a second list too early or out of a cache confirms nothing and starts no wait anew",
          "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(2), true, start);
    auto early = GENERATE(true, false);
    auto verdict = early ? g.judge(first(100), first(2), true, start + 29s)
                         : g.judge(first(100), first(2), false, start + 60s);
    CHECK(verdict.held.size() == 98);
    CHECK(verdict.alarm.empty());
    CHECK(g.relist_at() == start + 30s);
    CHECK(g.judge(first(100), first(2), true, start + 61s).held.empty());
}

TEST_CASE("a second list that has most of it again is believed", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), {}, false, start);
    auto verdict = g.judge(first(100), first(99), true, start + 5s);
    CHECK(verdict.held.empty());
    CHECK(verdict.alarm == "the list has most of the missing Services again: it is believed");
    CHECK_FALSE(g.alarming());
}

TEST_CASE("a second list that lacks still more confirms only what the first one lacked", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(40), false, start);
    auto verdict = g.judge(first(100), {}, true, start + 30s);
    CHECK(verdict.held == first(40));
    CHECK(verdict.alarm.starts_with("the list lacks 40 of 40 Services"));
    CHECK(g.relist_at() == start + 60s);
    CHECK(g.judge(first(40), {}, true, start + 60s).held.empty());
}

TEST_CASE("a few more missing in the second list need no third one", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(40), false, start);
    CHECK(g.judge(first(100), first(35), true, start + 30s).held.empty());
}

TEST_CASE("two lists that lack different things agree only on what both lack", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(40), false, start);
    CHECK(g.judge(first(100), keys(60, 100), true, start + 40s).held == first(40));
    CHECK(g.relist_at() == start + 70s);
}

TEST_CASE("what a second list lacks besides waits for a third, though it is less than half", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(100), first(40), false, start);
    CHECK(g.judge(first(100), first(29), true, start + 30s).held == keys(29, 40));
}

TEST_CASE("a watch event about a key ends its wait", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(12), {}, false, start);
    for (const auto& key : first(11))
        g.told(key);
    CHECK(g.held() == 1);
    // Eleven came back in the watch: that a later list lacks them is news again.
    CHECK(g.judge(first(12), {}, true, start + 31s).held == first(11));
    CHECK(g.relist_at() == start + 61s);
    for (const auto& key : first(12))
        g.told(key);
    CHECK_FALSE(g.alarming());
}

TEST_CASE("an empty list after an outage of hours is one list, however late it comes", "[relist_guard]")
{
    auto g = guard();
    g.judge(first(1000), first(1000), false, start);
    CHECK(g.judge(first(1000), {}, true, start + 5h).held.size() == 1000);
}
