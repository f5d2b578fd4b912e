#include <catch2/catch.hpp>

#include "snapshots.hpp"

using namespace naru;
using namespace naru::test;
using ctl::Filter;
using ctl::Format;

namespace {

/// One ready and local, one serving only, one terminating that must take everything.
ctl::Snapshot mixed()
{
    ctl::Snapshot tables;
    auto serving = backend_at("10.1.0.2:8080"), last = backend_at("10.1.0.3:8080");
    serving.chosen = false;
    last.terminating = true;
    put_service(tables, 7, name_of("web"), row_with({backend_at("10.1.0.1:8080", true), serving, last}));
    return tables;
}

} // namespace

TEST_CASE("a backend is one line with position, state and generation")
{
    CHECK(render(ctl::backends(mixed(), {}), Format::table, true) ==
          "ID  SERVICE        PROTO  SCOPE    POSITION  BACKEND        STATE                GENERATION\n"
          "7   shop/web:http  TCP    cluster  0         10.1.0.1:8080  ready,local          1\n"
          "7   shop/web:http  TCP    cluster  1         10.1.0.2:8080  serving              2\n"
          "7   shop/web:http  TCP    cluster  2         10.1.0.3:8080  serving,terminating  3\n");
}

TEST_CASE("a vacant position is no backend")
{
    auto tables = mixed();
    tables.services[7].block->rows[1] = {};
    auto shown = render(ctl::backends(tables, {}), Format::table, false);
    CHECK_FALSE(shown.contains("10.1.0.2"));
    CHECK(shown.contains("10.1.0.3"));
    CHECK(std::ranges::count(shown, '\n') == 2);
}

TEST_CASE("backends of a document carry their flags one by one")
{
    Filter filter;
    filter.ip = addr("10.1.0.3");
    CHECK(only_row(ctl::backends(mixed(), filter)) == R"([
  {"id": 7, "namespace": "shop", "name": "web", "port_name": "http", "protocol": "TCP", "scope": "cluster", "position": 2, "backend": "10.1.0.3:8080", "state": ["serving", "terminating"], "generation": 3, "weight": 1, "active": null, "chosen": true, "serving": true, "terminating": true, "local": false}
]
)");
}

TEST_CASE("connections are shown where they are counted, none as 0")
{
    auto tables = mixed();
    tables.services[7].block->algorithm = LB_ALGORITHM_WLC;
    tables.connections[3] = 12;
    Filter filter;
    filter.ip = addr("10.1.0.3");
    CHECK(only_row(ctl::backends(tables, filter)).contains("\"active\": 12,"));
    filter.ip = addr("10.1.0.1");
    CHECK(only_row(ctl::backends(tables, filter)).contains("\"active\": 0,"));
    CHECK(render(ctl::backends(tables, filter), Format::wide, true).contains("ACTIVE"));
}

TEST_CASE("shares of a Maglev table add up to all of it")
{
    auto table = ctl::maglev(mixed(), "shop/web", {});
    REQUIRE(table);
    REQUIRE(table->rows.size() == 3);
    auto column = [&](std::string_view key) {
        return std::ranges::find(table->columns, key, &ctl::Column::key) - table->columns.begin();
    };
    auto slots = column("slots");
    auto total = std::get<std::uint64_t>(table->rows[0].values[column("table_slots")]);
    std::uint64_t sum = 0;
    for (const auto& row : table->rows)
        sum += std::get<std::uint64_t>(row.values[slots]);
    CHECK(sum == total);
    CHECK(std::get<std::uint64_t>(table->rows[1].values[slots]) == 0); // serving only: not for new flows
    CHECK(std::get<double>(table->rows[0].values[column("share")]) == Approx(0.5).margin(0.05));
}

TEST_CASE("a Maglev table is found by name, by name with port, and by number")
{
    auto tables = mixed();
    put_service(tables, 8, name_of("web", LB_SCOPE_LOCAL), {});
    put_service(tables, 9, name_of("other"), row_with({backend_at("10.1.0.9:80")}));
    for (auto name : {"shop/web", "shop/web:http", "7"})
        CHECK(ctl::maglev(tables, name, {})->rows.size() == 3);
    CHECK(ctl::maglev(tables, "8", {})->rows.empty());
    CHECK(only_row(*ctl::maglev(tables, "shop/other", {})).contains("\"share\": 1}"));
}

TEST_CASE("a Service that is not there is answered with the nearest one")
{
    auto missing = ctl::maglev(mixed(), "shop/wep:http", {});
    REQUIRE_FALSE(missing);
    CHECK(missing.error().what == "no Service shop/wep:http here; did you mean shop/web:http?");
    CHECK(ctl::maglev(mixed(), "shop/wb", {}).error().what.ends_with("did you mean shop/web?"));
    CHECK_FALSE(ctl::maglev(mixed(), "", {}));
}
