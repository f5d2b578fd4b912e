#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <bitset>
#include <tuple>
#include <vector>

#include "lb/pieces.h"

namespace {

struct Piece {
    unsigned first, behind;
    bool last;
};

/// The same rules with a bit for every eight bytes.
class Model {
public:
    lb_taken take(const Piece& piece)
    {
        unsigned known = 0;
        for (auto at = piece.first; at < piece.behind; ++at)
            known += seen_[at];
        if (known == piece.behind - piece.first)
            return LB_TAKEN_KNOWN;
        bool beyond = false;
        for (std::size_t at = piece.behind; at < seen_.size(); ++at)
            beyond = beyond || seen_[at];
        if (known || (piece.last ? end_ || beyond : end_ && piece.behind >= end_))
            return LB_TAKEN_OVERLAPS;
        auto copy = seen_;
        for (auto at = piece.first; at < piece.behind; ++at)
            copy.set(at);
        if (ranges(copy) > LB_FRAGMENT_RANGES)
            return LB_TAKEN_NO_ROOM;
        seen_ = copy;
        if (piece.last)
            end_ = piece.behind;
        return LB_TAKEN_NEW;
    }
    bool complete() const { return end_ && ranges(seen_) == 1 && seen_[0] && seen_[end_ - 1]; }

private:
    using Seen = std::bitset<8192>;
    static int ranges(const Seen& seen)
    {
        int count = 0;
        for (std::size_t at = 0; at < seen.size(); ++at)
            count += seen[at] && (at == 0 || !seen[at - 1]);
        return count;
    }

    Seen seen_;
    unsigned end_ = 0;
};

lb_taken take(lb_fragment& fragment, const Piece& piece)
{
    return lb_take_piece(&fragment, piece.first, piece.behind, piece.last);
}

} // namespace

TEST_CASE("pieces in order are one range, and the last makes the datagram complete", "[native]")
{
    lb_fragment fragment{};
    for (unsigned i = 0; i < 44; ++i) {
        CHECK(take(fragment, {i * 185, (i + 1) * 185, false}) == LB_TAKEN_NEW);
        CHECK_FALSE(fragment.complete);
    }
    CHECK(take(fragment, {44 * 185, 8190, true}) == LB_TAKEN_NEW);
    CHECK(fragment.complete);
    CHECK(take(fragment, {185, 370, false}) == LB_TAKEN_KNOWN);
}

TEST_CASE("a datagram of every size there is can be remembered whole", "[native]")
{
    lb_fragment fragment{};
    CHECK(take(fragment, {1, 8192, true}) == LB_TAKEN_NEW);
    CHECK(take(fragment, {0, 1, false}) == LB_TAKEN_NEW);
    CHECK(fragment.complete);
}

TEST_CASE("a refused piece leaves everything as it was", "[native]")
{
    lb_fragment fragment{};
    for (unsigned i = 0; i < LB_FRAGMENT_RANGES; ++i)
        REQUIRE(take(fragment, {i * 4, i * 4 + 2, false}) == LB_TAKEN_NEW);
    const auto before = std::to_array(fragment.ranges);
    auto same = [&] {
        return std::equal(before.begin(), before.end(), fragment.ranges,
                          [](const auto& one, const auto& other) {
                              return one.first == other.first && one.behind == other.behind;
                          });
    };
    CHECK(take(fragment, {100, 101, false}) == LB_TAKEN_NO_ROOM);
    CHECK(same());
    CHECK(take(fragment, {1, 3, false}) == LB_TAKEN_OVERLAPS);
    CHECK(same());
    CHECK(take(fragment, {0, 2, false}) == LB_TAKEN_KNOWN);
    CHECK(same());
    CHECK(take(fragment, {2, 3, true}) == LB_TAKEN_OVERLAPS); // an end with bytes behind it
    CHECK(same());
    CHECK(fragment.end == 0);
}

TEST_CASE("ranges of pieces and a bit for every eight bytes agree about any history", "[native]")
{
    rc::prop("the table is the model", [] {
        lb_fragment fragment{};
        Model model;
        const auto history = *rc::gen::container<std::vector<std::tuple<unsigned, unsigned, bool>>>(
            rc::gen::tuple(rc::gen::inRange(0u, 40u), rc::gen::inRange(1u, 8u),
                           rc::gen::map(rc::gen::inRange(0, 8), [](int one) { return one == 0; })));
        for (const auto& [first, size, last] : history) {
            const Piece piece{first, first + size, last};
            const auto wanted = model.take(piece);
            RC_ASSERT(take(fragment, piece) == wanted);
            RC_ASSERT((fragment.complete != 0) == model.complete());
        }
    });
}
