// Which Services wait for a frontend of another, as naructl reads it.
#include <algorithm>

#include "datapath/rows.hpp"
#include "datapath/shadowed.hpp"
#include "model/claims.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

FrontendKey key(std::uint16_t port) { return {Address::parse("192.0.2.7").value(), {port}, Protocol::tcp}; }

/// These Services want these ports of one address; the one made first owns them.
struct Board {
    Claims claims;

    void want(const std::string& name, std::int64_t created_sec, const std::vector<std::uint16_t>& ports)
    {
        FrontendClaims wanted;
        for (auto port : ports) {
            Claim claim;
            claim.row.kind = LB_KIND_LOAD_BALANCER;
            claim.owner = {"shop", name};
            claim.created_sec = created_sec;
            claim.uid = "uid-of-" + name;
            wanted.try_emplace(key(port), claim);
        }
        std::vector<Notice> ignored;
        claims.replace({"shop", name}, std::move(wanted), ignored);
    }
};

/// "80 1 shop/web", sorted.
std::vector<std::string> shown(const Maps& maps)
{
    std::vector<std::string> all;
    for (const auto& key : keys<lb_shadowed_key>(maps.shadowed)) {
        auto row = read<lb_shadowed>(maps.shadowed, key).value();
        CHECK(row.kind == LB_KIND_LOAD_BALANCER);
        all.push_back(std::to_string(Port::from(key.frontend.port).host) + " " + std::to_string(key.rank) +
                      " " + row.ns + "/" + row.name);
    }
    std::ranges::sort(all);
    return all;
}

using Texts = std::vector<std::string>;

} // namespace

TEST_CASE("Services that wait for a frontend are shown in their order, and no longer than they wait",
          "[shadowed]")
{
    auto maps = small_maps();
    Shadowed shadowed{maps};
    Board board;
    board.want("old", 1, {80, 81});
    REQUIRE(shadowed.follow(board.claims));
    CHECK(shown(maps).empty());
    board.want("young", 3, {80});
    board.want("middle", 2, {80, 81});
    REQUIRE(shadowed.follow(board.claims));
    CHECK(shown(maps) == Texts{"80 1 shop/middle", "80 2 shop/young", "81 1 shop/middle"});
    board.want("old", 1, {});
    REQUIRE(shadowed.follow(board.claims));
    CHECK(shown(maps) == Texts{"80 1 shop/young"});
    board.want("young", 3, {});
    REQUIRE(shadowed.follow(board.claims));
    CHECK(shown(maps).empty());
}

TEST_CASE("what an earlier agent showed is taken away when it is true no more", "[shadowed]")
{
    auto maps = small_maps();
    Board board;
    board.want("old", 1, {80, 81});
    board.want("young", 2, {80, 81});
    REQUIRE(Shadowed{maps}.follow(board.claims));
    REQUIRE(shown(maps).size() == 2);

    Board later;
    later.want("old", 1, {80});
    later.want("young", 2, {80, 81});
    Shadowed restarted{maps};
    REQUIRE(restarted.follow(later.claims));
    CHECK(shown(maps) == Texts{"80 1 shop/young"});
}

TEST_CASE("more who wait than the map holds are named, and shown when there is room", "[shadowed]")
{
    auto maps = small_maps({.shadowed = 2});
    Shadowed shadowed{maps};
    Board board;
    board.want("old", 1, {80, 81, 82});
    board.want("young", 2, {80, 81, 82});
    auto full = shadowed.follow(board.claims);
    REQUIRE_FALSE(full);
    CHECK(full.error().message().contains("lb_shadowed"));
    CHECK(shown(maps).size() == 2);
    CHECK_FALSE(shadowed.follow(board.claims)); // and goes on saying so
    board.want("young", 2, {81, 82});
    REQUIRE(shadowed.follow(board.claims));
    CHECK(shown(maps) == Texts{"81 1 shop/young", "82 1 shop/young"});
}

TEST_CASE("where not all who wait find room, what is shown is true all the same", "[shadowed]")
{
    auto maps = small_maps({.shadowed = 2});
    Shadowed shadowed{maps};
    Board board;
    board.want("old", 1, {80, 82, 83});
    board.want("young", 3, {82, 83});
    REQUIRE(shadowed.follow(board.claims));
    REQUIRE(shown(maps) == Texts{"82 1 shop/young", "83 1 shop/young"});
    board.want("middle", 2, {80, 82, 83});
    CHECK_FALSE(shadowed.follow(board.claims));
    CHECK(shown(maps) == Texts{"82 1 shop/middle", "83 1 shop/middle"});
}
