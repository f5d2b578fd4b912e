#include <catch2/catch.hpp>

#include "snapshots.hpp"

using namespace naru;
using namespace naru::test;
using ctl::Format;

namespace {

constexpr ctl::Clock clock_at_1000s{.now = 1000 * 250, .hz = 250};

ctl::Snapshot sticky()
{
    ctl::Snapshot tables;
    put_service(tables, 1, name_of("web"),
                row_with({backend_at("10.1.0.1:8080"), backend_at("10.1.0.2:8080")}, 60));
    return tables;
}

/// An entry of 10.9.9.9 for position 0 that was used at `second`.
ctl::AffinityRows entry(const ctl::Snapshot& tables, std::uint64_t second)
{
    const auto& block = *tables.services.at(1).block;
    lb_affinity_key key{.client = addr("10.9.9.9").raw(),
                        .frontend = addr("10.96.0.1").raw(),
                        .port = Port{80}.raw(),
                        .proto = 6,
                        .by_cookie = 0,
                        .pad = 0};
    lb_affinity value{.last_seen = second * 250,
                      .service = 1,
                      .generation = block.rows[0].generation,
                      .epoch = block.affinity_epoch,
                      .position = 0,
                      .pad = 0};
    return {{key, value}};
}

std::string row(const ctl::Snapshot& tables, const ctl::AffinityRows& rows)
{
    return render(ctl::affinity(tables, rows, {}, clock_at_1000s), Format::table, false);
}

} // namespace

TEST_CASE("a client that sticks is shown with its backend, age and remaining time")
{
    auto tables = sticky();
    CHECK(render(ctl::affinity(tables, entry(tables, 990), {}, clock_at_1000s), Format::table, true) ==
          "CLIENT    FRONTEND          SERVICE        BACKEND        STATE  AGE  REMAINING\n"
          "10.9.9.9  10.96.0.1:80/TCP  shop/web:http  10.1.0.1:8080  live   10s  50s\n");
}

TEST_CASE("an entry at its timeout is expired, just before it is not")
{
    auto tables = sticky();
    CHECK(row(tables, entry(tables, 940)).contains("expired  1m0s"));
    auto rows = entry(tables, 940);
    rows[0].second.last_seen += 1;
    CHECK(row(tables, rows).contains("live  59s  1s"));
}

TEST_CASE("an entry that leads nowhere any more is void")
{
    auto tables = sticky();
    auto rows = entry(tables, 990);

    SECTION("another backend took the position")
    {
        rows[0].second.generation += 100;
        CHECK(row(tables, rows).contains("void"));
        CHECK_FALSE(row(tables, rows).contains("10.1.0.1"));
    }
    SECTION("affinity was switched off and on again")
    {
        rows[0].second.epoch += 1;
        CHECK(row(tables, rows).contains("void"));
    }
    SECTION("the backend takes no new flows")
    {
        tables.services.at(1).block->rows[0].flags &= static_cast<std::uint16_t>(~LB_BACKEND_CHOSEN);
        CHECK(row(tables, rows).contains("void"));
    }
    SECTION("the position is beyond the block")
    {
        rows[0].second.position = 60000;
        CHECK(row(tables, rows).contains("void"));
    }
    SECTION("the service is gone")
    {
        tables.services.clear();
        CHECK(row(tables, rows).contains("void"));
    }
}

TEST_CASE("a client known by its network namespace is shown by the cookie")
{
    auto tables = sticky();
    auto rows = entry(tables, 990);
    rows[0].first.client = {};
    rows[0].first.client.w64[1] = 4242;
    rows[0].first.by_cookie = 1;
    auto shown = only_row(ctl::affinity(tables, rows, {}, clock_at_1000s));
    CHECK(shown.contains(R"("client": "netns:4242", "client_is_netns": true)"));
    CHECK(shown.contains(R"("age_sec": 10, "remaining_sec": 50)"));
}

TEST_CASE("an entry from ahead of an approximate clock has age zero")
{
    auto tables = sticky();
    CHECK(row(tables, entry(tables, 1001)).contains("live  0s  1m0s"));
}
