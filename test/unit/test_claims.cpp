#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <tuple>

#include "builders.hpp"
#include "model/claims.hpp"

using namespace naru;
using namespace naru::test;

namespace {

struct Wish {
    const char* key;
    lb_frontend_kind kind = LB_KIND_LOAD_BALANCER;
    bool node_address = false;
};

FrontendClaims claims(const std::string& owner, std::int64_t created_sec, std::vector<Wish> wishes)
{
    FrontendClaims out;
    for (const auto& wish : wishes) {
        Claim claim{.row = {}, .owner = {"shop", owner}, .created_sec = created_sec, .uid = "uid-" + owner};
        claim.row.kind = wish.kind;
        claim.row.node_address = wish.node_address;
        claim.row.inside = claim.row.outside =
            ServiceId{claim.owner, claim.uid, "", Protocol::tcp, Family::v4, Scope::cluster};
        out.try_emplace(key(wish.key), claim);
    }
    return out;
}

/// Claims, and the rows that follow from what they report.
struct Board {
    Claims claims_of_all;
    std::map<FrontendKey, FrontendRow> rows;
    std::vector<Notice> notices;

    std::string replace(const std::string& owner, FrontendClaims next = {})
    {
        notices.clear();
        std::string out;
        for (auto& change : claims_of_all.replace({"shop", owner}, std::move(next), notices)) {
            out += (out.empty() ? "" : " ") + std::string{change.row ? "+" : "-"} + change.key.text();
            if (change.row && change.row->inside)
                out += "=" + change.row->inside->key.name;
            if (change.row)
                rows.insert_or_assign(change.key, *change.row);
            else
                rows.erase(change.key);
        }
        return out;
    }

    std::string told() const
    {
        std::string out;
        for (const auto& notice : notices)
            out += (out.empty() ? "" : " ") + notice.service.name + ":" + notice.reason;
        return out;
    }
};

} // namespace

TEST_CASE("a claim appears with the wildcard of its address and goes with it", "[claims]")
{
    Board board;
    CHECK(board.replace("web", claims("web", 1, {{"1.2.3.4:80/TCP"}})) == "+1.2.3.4:80/TCP=web +1.2.3.4:*");
    CHECK(board.replace("web", claims("web", 1, {{"1.2.3.4:80/TCP"}})).empty());
    CHECK(board.replace("web") == "-1.2.3.4:80/TCP -1.2.3.4:*");
    CHECK(board.rows.empty());
    CHECK(board.claims_of_all.conflicts() == 0);
}

TEST_CASE("a wildcard row names no kind and no service", "[claims]")
{
    Board board;
    board.replace("web", claims("web", 1, {{"1.2.3.4:80/TCP"}}));
    const auto& row = board.rows.at(key("1.2.3.4:0"));
    CHECK(row.kind == 0);
    CHECK_FALSE(row.inside);
    CHECK_FALSE(row.outside);
}

TEST_CASE("the wildcard stays while any port of the address is served", "[claims]")
{
    Board board;
    board.replace("web", claims("web", 1, {{"1.2.3.4:80/TCP"}}));
    CHECK(board.replace("dns", claims("dns", 2, {{"1.2.3.4:53/UDP"}})) == "+1.2.3.4:53/UDP=dns");
    CHECK(board.replace("web") == "-1.2.3.4:80/TCP");
    CHECK(board.replace("dns") == "-1.2.3.4:53/UDP -1.2.3.4:*");
}

TEST_CASE("addresses of the node and nodePorts never get a wildcard", "[claims]")
{
    Board board;
    CHECK(board.replace("web", claims("web", 1,
                                      {{"192.0.2.1:80/TCP", LB_KIND_LOAD_BALANCER, true},
                                       {"192.0.2.1:30080/TCP", LB_KIND_NODE_PORT, true}})) ==
          "+192.0.2.1:80/TCP=web +192.0.2.1:30080/TCP=web");
}

TEST_CASE("an address that becomes the node's loses its wildcard, and gets it back", "[claims]")
{
    Board board;
    board.replace("web", claims("web", 1, {{"192.0.2.9:80/TCP"}}));
    CHECK(board.replace("web", claims("web", 1, {{"192.0.2.9:80/TCP", LB_KIND_LOAD_BALANCER, true}})) ==
          "+192.0.2.9:80/TCP=web -192.0.2.9:*");
    CHECK(board.replace("web", claims("web", 1, {{"192.0.2.9:80/TCP"}})) ==
          "+192.0.2.9:80/TCP=web +192.0.2.9:*");
}

TEST_CASE("who waits for a frontend is known in the order in which they would own it", "[claims]")
{
    Board board;
    const auto& all = board.claims_of_all;
    auto waiting = [&] {
        std::string out;
        for (const auto& shadow : all.shadows())
            out += shadow.key.text() + " " + std::to_string(shadow.rank) + " " +
                   std::string{shadow.owner.name} + "\n";
        return out;
    };
    board.replace("young", claims("young", 3, {{"1.2.3.4:80/TCP"}, {"1.2.3.4:81/TCP"}}));
    CHECK(waiting().empty());
    CHECK(all.contest_changes() == 0);
    board.replace("old", claims("old", 1, {{"1.2.3.4:80/TCP"}}));
    board.replace("middle", claims("middle", 2, {{"1.2.3.4:80/TCP"}, {"1.2.3.4:81/TCP"}}));
    CHECK(waiting() == "1.2.3.4:80/TCP 1 middle\n"
                       "1.2.3.4:80/TCP 2 young\n"
                       "1.2.3.4:81/TCP 1 young\n");

    auto changes = all.contest_changes();
    board.replace("old");
    CHECK(all.contest_changes() != changes);
    CHECK(waiting() == "1.2.3.4:80/TCP 1 young\n"
                       "1.2.3.4:81/TCP 1 young\n");
    changes = all.contest_changes();
    board.replace("other", claims("other", 1, {{"5.6.7.8:80/TCP"}}));
    board.replace("other", claims("other", 1, {{"5.6.7.8:80/TCP", LB_KIND_LOAD_BALANCER, true}}));
    CHECK(all.contest_changes() == changes);
    board.replace("middle");
    CHECK(all.contest_changes() != changes);
    CHECK(waiting().empty());
    CHECK(all.conflicts() == 0);
}

TEST_CASE("the older Service keeps a frontend whoever comes first", "[claims]")
{
    Board board;
    auto young = claims("young", 2, {{"1.2.3.4:80/TCP"}}), old = claims("old", 1, {{"1.2.3.4:80/TCP"}});
    if (GENERATE(true, false)) {
        board.replace("young", young);
        CHECK(board.replace("old", old) == "+1.2.3.4:80/TCP=old");
    } else {
        board.replace("old", old);
        CHECK(board.replace("young", young).empty());
    }
    CHECK(board.told() == "young:FrontendConflict");
    CHECK(board.claims_of_all.conflicts() == 1);
    CHECK(board.claims_of_all.winner(key("1.2.3.4:80/TCP"))->owner.name == "old");
    auto claimants = board.claims_of_all.claimants(key("1.2.3.4:80/TCP"));
    REQUIRE(claimants.size() == 2);
    CHECK(claimants[1]->owner.name == "young");

    SECTION("when the winner goes the shadowed one takes over in the same update")
    {
        CHECK(board.replace("old") == "+1.2.3.4:80/TCP=young");
        CHECK(board.claims_of_all.conflicts() == 0);
    }
    SECTION("when the loser goes nothing changes")
    {
        CHECK(board.replace("young").empty());
        CHECK(board.told().empty());
    }
    SECTION("losing is told once")
    {
        board.replace("young", claims("young", 3, {{"1.2.3.4:80/TCP"}}));
        CHECK(board.told().empty());
        board.replace("young");
        board.replace("young", young);
        CHECK(board.told() == "young:FrontendConflict");
    }
}

TEST_CASE("kind comes before age, age before uid, an unknown age is the youngest", "[claims]")
{
    auto wins = [](FrontendClaims a, FrontendClaims b) {
        Board board;
        board.replace(std::string{a.begin()->second.owner.name}, a);
        board.replace(std::string{b.begin()->second.owner.name}, b);
        return board.claims_of_all.winner(a.begin()->first)->owner.name;
    };
    CHECK(wins(claims("a", 1, {{"1.2.3.4:80/TCP", LB_KIND_EXTERNAL_IP}}),
               claims("b", 9, {{"1.2.3.4:80/TCP", LB_KIND_LOAD_BALANCER}})) == "b");
    CHECK(wins(claims("a", 1, {{"1.2.3.4:80/TCP", LB_KIND_LOAD_BALANCER}}),
               claims("b", 9, {{"1.2.3.4:80/TCP", LB_KIND_NODE_PORT}})) == "b");
    CHECK(wins(claims("b", 1, {{"1.2.3.4:80/TCP"}}), claims("a", 1, {{"1.2.3.4:80/TCP"}})) == "a");
    CHECK(wins(claims("a", 0, {{"1.2.3.4:80/TCP"}}), claims("b", 1, {{"1.2.3.4:80/TCP"}})) == "b");
}

TEST_CASE("different ports and protocols on one address are no conflict", "[claims]")
{
    Board board;
    board.replace("web", claims("web", 1, {{"1.2.3.4:80/TCP"}}));
    CHECK(board.replace("dns", claims("dns", 2, {{"1.2.3.4:80/UDP"}, {"1.2.3.4:81/TCP"}})) ==
          "+1.2.3.4:80/UDP=dns +1.2.3.4:81/TCP=dns");
    CHECK(board.told().empty());
}

TEST_CASE("a ClusterIP shuts out who writes its address by hand, on every port", "[claims]")
{
    Board board;
    board.replace("evil", claims("evil", 1, {{"10.96.0.1:443/TCP", LB_KIND_EXTERNAL_IP}}));
    CHECK(board.replace("api", claims("api", 2, {{"10.96.0.1:80/TCP", LB_KIND_CLUSTER_IP}})) ==
          "+10.96.0.1:80/TCP=api -10.96.0.1:443/TCP +10.96.0.1:*");
    CHECK(board.told() == "evil:FrontendRefused");
    CHECK(board.claims_of_all.winner(key("10.96.0.1:443/TCP")) == nullptr);
    CHECK(board.replace("late", claims("late", 3, {{"10.96.0.1:8443/TCP"}})).empty());
    CHECK(board.told() == "late:FrontendRefused");
    CHECK(board.replace("api") == "-10.96.0.1:80/TCP +10.96.0.1:443/TCP=evil +10.96.0.1:8443/TCP=late");
}

TEST_CASE("an address of the API server is nobody's who writes it by hand, and has no wildcard", "[claims]")
{
    Board board;
    std::vector<Notice> told;
    auto reserve = [&](std::set<SocketAddress> addresses) {
        told.clear();
        std::string out;
        for (const auto& change : board.claims_of_all.reserve(std::move(addresses), told))
            out += (out.empty() ? "" : " ") + std::string{change.row ? "+" : "-"} + change.key.text();
        return out;
    };
    board.replace(
        "evil", claims("evil", 1,
                       {{"1.2.3.4:80/TCP", LB_KIND_EXTERNAL_IP}, {"1.2.3.4:6443/TCP"}, {"5.6.7.8:80/TCP"}}));
    CHECK(reserve({at("1.2.3.4:6443")}) == "-1.2.3.4:80/TCP -1.2.3.4:6443/TCP -1.2.3.4:*");
    REQUIRE(told.size() == 2);
    CHECK(told[0].message == "1.2.3.4:80/TCP is not served: the address is the API server's");
    CHECK(reserve({at("1.2.3.4:6443")}).empty());
    CHECK(board.replace("late", claims("late", 2, {{"1.2.3.4:22/TCP"}})).empty());
    CHECK(board.told() == "late:FrontendRefused");
    CHECK(reserve({}) == "+1.2.3.4:22/TCP +1.2.3.4:80/TCP +1.2.3.4:6443/TCP +1.2.3.4:*");
    CHECK(told.empty());
}

TEST_CASE("where the API server runs on this node only its own port is out of reach", "[claims]")
{
    Board board;
    std::vector<Notice> told;
    CHECK(board.claims_of_all.reserve({at("192.0.2.1:6443")}, told).empty());
    CHECK(board.replace("web", claims("web", 1,
                                      {{"192.0.2.1:80/TCP", LB_KIND_LOAD_BALANCER, true},
                                       {"192.0.2.1:6443/TCP", LB_KIND_EXTERNAL_IP, true}})) ==
          "+192.0.2.1:80/TCP=web");
}

TEST_CASE("a ClusterIP stays served when an agent was told to reach the API server through it", "[claims]")
{
    Board board;
    std::vector<Notice> told;
    board.replace("api", claims("api", 1, {{"10.96.0.1:443/TCP", LB_KIND_CLUSTER_IP}}));
    CHECK(board.claims_of_all.reserve({at("10.96.0.1:443")}, told).empty());
    CHECK(board.rows.contains(key("10.96.0.1:0")));
}

TEST_CASE("an endpoint is naru's own when its packets would come back", "[claims]")
{
    Board board;
    board.replace("web", claims("web", 1,
                                {{"10.96.0.1:80/TCP", LB_KIND_CLUSTER_IP},
                                 {"203.0.113.1:8080/TCP"},
                                 {"198.51.100.1:8080/TCP", LB_KIND_EXTERNAL_IP},
                                 {"192.0.2.1:8080/TCP", LB_KIND_LOAD_BALANCER, true},
                                 {"192.0.2.1:30080/TCP", LB_KIND_NODE_PORT, true}}));
    auto is_own = [&](const char* address, bool names_node, std::string ns = "shop", int port = 8080) {
        auto each = endpoint(address);
        if (!names_node)
            each.node.reset();
        auto in = slice("any", {each});
        in.key.ns = ns;
        in.ports.front().port = Port{static_cast<std::uint16_t>(port)};
        return board.claims_of_all.is_own(each, in);
    };
    CHECK(is_own("10.96.0.1", false));
    CHECK(is_own("10.96.0.1", true, "elsewhere", 9999));
    CHECK(is_own("203.0.113.1", false, "elsewhere"));
    CHECK_FALSE(is_own("203.0.113.1", true));
    CHECK_FALSE(is_own("203.0.113.1", false, "shop", 8081));
    CHECK(is_own("198.51.100.1", false));
    CHECK_FALSE(is_own("198.51.100.1", false, "elsewhere"));
    CHECK_FALSE(is_own("192.0.2.1", false));
    CHECK_FALSE(is_own("192.0.2.1", false, "shop", 30080));
    CHECK_FALSE(is_own("10.244.1.5", false));
}

namespace {

/// 3.3 written down again, slowly: what the rows must be for this set of claims.
std::map<FrontendKey, FrontendRow> expected(const std::map<std::string, FrontendClaims>& all)
{
    std::map<FrontendKey, FrontendRow> rows;
    std::map<FrontendKey, const Claim*> best;
    std::set<Address> cluster_ips;
    auto rank = [](const Claim& c) {
        return std::tuple(int{c.row.kind}, c.created_sec == 0, c.created_sec, c.uid, c.owner);
    };
    for (const auto& [_, theirs] : all)
        for (const auto& [key, claim] : theirs) {
            auto& holder = best[key];
            if (!holder || rank(claim) < rank(*holder))
                holder = &claim;
            if (claim.row.kind == LB_KIND_CLUSTER_IP)
                cluster_ips.insert(key.address);
            if ((claim.row.kind == LB_KIND_CLUSTER_IP || claim.row.kind == LB_KIND_LOAD_BALANCER) &&
                !claim.row.node_address) {
                FrontendRow wildcard;
                wildcard.kind = static_cast<lb_frontend_kind>(0);
                rows.insert_or_assign({key.address, {}, {}}, wildcard);
            }
        }
    for (const auto& [key, claim] : best)
        if (claim->row.kind < LB_KIND_LOAD_BALANCER || !cluster_ips.contains(key.address))
            rows.emplace(key, claim->row);
    return rows;
}

} // namespace

TEST_CASE("ownership is a pure function of the claims, whatever their history", "[claims]")
{
    rc::prop("the rows reported are those of the whole set", [] {
        Board board;
        std::map<std::string, FrontendClaims> all;
        const std::vector<const char*> keys{"1.2.3.4:80/TCP", "1.2.3.4:81/TCP", "1.2.3.4:80/UDP",
                                            "5.6.7.8:80/TCP"};
        auto steps = *rc::gen::inRange(1, 40);
        for (int i = 0; i < steps; ++i) {
            auto owner = std::string{"s"} + std::to_string(*rc::gen::inRange(0, 5));
            std::vector<Wish> wishes;
            for (const auto* wanted : keys)
                if (*rc::gen::inRange(0, 2))
                    wishes.push_back({wanted, static_cast<lb_frontend_kind>(*rc::gen::inRange(1, 5)),
                                      *rc::gen::inRange(0, 4) == 0});
            auto next = claims(owner, *rc::gen::inRange(0, 3), wishes);
            if (next.empty())
                all.erase(owner);
            else
                all[owner] = next;
            board.replace(owner, next);
            RC_ASSERT(board.rows == expected(all));
            RC_ASSERT(board.claims_of_all.rows() == board.rows);
            RC_ASSERT(board.claims_of_all.row_count() == board.rows.size());

            std::map<FrontendKey, int> wanted_by;
            for (const auto& [_, theirs] : all)
                for (const auto& [key, claim] : theirs)
                    ++wanted_by[key];
            RC_ASSERT(board.claims_of_all.conflicts() ==
                      static_cast<std::size_t>(
                          std::ranges::count_if(wanted_by, [](auto& e) { return e.second > 1; })));
        }
        for (const auto& [owner, _] : all)
            board.replace(owner);
        RC_ASSERT(board.rows.empty());
    });
}
