#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <cstring>
#include <set>

#include "datapath/loads.hpp"

using namespace naru;

namespace {

std::int64_t open_of(const lb_load& load) { return static_cast<std::int64_t>(load.opened - load.closed); }

bool same(const lb_load& a, const lb_load& b) { return a.opened == b.opened && a.closed == b.closed; }

} // namespace

TEST_CASE("where nothing happens, what the tables hold is right", "[loads]")
{
    CHECK(open_of(corrected({10, 3}, {10, 3}, 7)) == 7);
    CHECK(open_of(corrected({10, 3}, {10, 3}, 2)) == 2); // evicted, or expired
    CHECK(open_of(corrected({10, 3}, {10, 3}, 9)) == 9); // from before the service compared loads
    CHECK(open_of(corrected({1, 3}, {1, 3}, 0)) == 0);   // ends without a beginning
}

TEST_CASE("a counter that is right is not written", "[loads]")
{
    CHECK(same(corrected({10, 3}, {10, 3}, 7), {10, 3}));
    CHECK(same(corrected({10, 3}, {14, 5}, 8), {14, 5}));
}

TEST_CASE("counters only grow", "[loads]")
{
    for (std::uint64_t seen : {0, 5, 9}) {
        auto right = corrected({10, 3}, {10, 3}, seen);
        CHECK(right.opened >= 10);
        CHECK(right.closed >= 3);
    }
}

TEST_CASE("connections that begin and end while the tables are walked never make a right counter wrong",
          "[loads]")
{
    rc::prop("any walk among any changes", [] {
        const auto there = *rc::gen::inRange<std::uint64_t>(0, 20);
        const auto steps = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 3));
        const auto ended_before = *rc::gen::inRange<std::uint64_t>(0, 5);
        std::vector<std::uint64_t> live;
        for (std::uint64_t id = 0; id < there; ++id)
            live.push_back(id);
        const lb_load before{there + ended_before, ended_before};
        auto now = before;
        std::set<std::uint64_t> seen;
        std::uint64_t next = there, walked = 0; // the walk goes by number, and each is where its number says
        for (auto step : steps) {
            if (step == 0) {
                live.push_back(next++);
                ++now.opened;
            } else if (step == 1 && !live.empty()) {
                live.erase(live.begin() +
                           *rc::gen::inRange<std::ptrdiff_t>(0, static_cast<std::ptrdiff_t>(live.size())));
                ++now.closed;
            } else {
                if (std::ranges::find(live, walked) != live.end())
                    seen.insert(walked);
                ++walked;
            }
        }
        for (; walked < next; ++walked)
            if (std::ranges::find(live, walked) != live.end())
                seen.insert(walked);
        RC_ASSERT(same(corrected(before, now, seen.size()), now));
    });
}
