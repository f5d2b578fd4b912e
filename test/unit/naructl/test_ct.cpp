#include <catch2/catch.hpp>

#include <vector>

#include "snapshots.hpp"

using namespace naru;
using namespace naru::test;
using ctl::Filter;
using ctl::Format;

namespace {

constexpr ctl::Clock clock_at_1000s{.now = 1000 * 250, .hz = 250};

/// 203.0.113.9:4711 -> 10.96.0.1:80 -> 10.1.0.2:8080, seen 5 s ago, its source 192.0.2.1:50000.
std::pair<lb_tuple, lb_ct> forward(std::uint8_t proto, lb_ct_state state)
{
    lb_tuple key{.src = addr("203.0.113.9").raw(),
                 .dst = addr("10.96.0.1").raw(),
                 .sport = Port{4711}.raw(),
                 .dport = Port{80}.raw(),
                 .proto = proto,
                 .direction = LB_DIR_FORWARD,
                 .pad = 0};
    lb_ct entry{.to = addr("10.1.0.2").raw(),
                .via = addr("192.0.2.1").raw(),
                .to_port = Port{8080}.raw(),
                .via_port = Port{50000}.raw(),
                .state = static_cast<std::uint8_t>(state),
                .flags = LB_CT_SNAT | LB_CT_REPLIED,
                .position = 1,
                .service = 1,
                .generation = 2,
                .last_seen = 995 * 250};
    return {key, entry};
}

std::pair<lb_tuple, lb_ct> reply(std::uint8_t proto, lb_ct_state state)
{
    auto [there, entry] = forward(proto, state);
    lb_tuple key{.src = entry.to,
                 .dst = entry.via,
                 .sport = entry.to_port,
                 .dport = entry.via_port,
                 .proto = proto,
                 .direction = LB_DIR_REPLY,
                 .pad = 0};
    entry.to = there.src;
    entry.to_port = there.sport;
    entry.via = there.dst;
    entry.via_port = there.dport;
    return {key, entry};
}

ctl::Table flows(const std::vector<ctl::FlowTable>& tables, const Filter& filter = {})
{
    return ctl::ct(shop(), tables, filter, clock_at_1000s, ctl::default_lifetimes());
}

} // namespace

TEST_CASE("what the node itself sends from a frontend's address is no flow of a Service")
{
    auto own = forward(17, LB_CT_OPEN);
    own.second.service = 0;
    auto table = flows({{"any", {own}}});
    REQUIRE(table.rows.size() == 1);
    CHECK(table.rows[0].wide);
    CHECK(only_row(table).contains(R"("state": "own")"));
}

TEST_CASE("a flow is one line: client, frontend, backend, state and times")
{
    std::vector<ctl::FlowTable> tables{{"tcp", {forward(6, LB_CT_ESTABLISHED)}},
                                       {"snat", {reply(6, LB_CT_ESTABLISHED)}}};
    CHECK(
        render(flows(tables), Format::table, true) ==
        "PROTO  CLIENT            FRONTEND      BACKEND        STATE        AGE  REMAINING  SERVICE\n"
        "TCP    203.0.113.9:4711  10.96.0.1:80  10.1.0.2:8080  established  5s   2h13m      shop/web:http\n");
}

TEST_CASE("both directions of a flow name the same four ends")
{
    std::vector<ctl::FlowTable> tables{{"snat", {reply(6, LB_CT_OPEN)}}, {"tcp", {forward(6, LB_CT_OPEN)}}};
    auto table = flows(tables);
    REQUIRE(table.rows.size() == 2);
    for (std::size_t i = 0; i < 5; ++i) // protocol, client, frontend, backend, source
        CHECK(table.rows[0].values[i] == table.rows[1].values[i]);
    CHECK_FALSE(table.rows[0].wide);
    CHECK(table.rows[1].wide);
    auto text = render(table, Format::wide, false);
    CHECK(text.contains("192.0.2.1:50000"));
    CHECK(text.contains("reply    snat  snat,replied"));
}

TEST_CASE("what remains of a flow depends on protocol and state")
{
    auto remaining = [](std::uint8_t proto, lb_ct_state state) {
        auto row = only_row(flows({{"x", {forward(proto, state)}}}));
        auto from = row.find("\"remaining_sec\": ");
        return row.substr(from + 17, row.find(',', from) - from - 17);
    };
    CHECK(remaining(6, LB_CT_OPEN) == "15");
    CHECK(remaining(6, LB_CT_ESTABLISHED) == "7995");
    CHECK(remaining(6, LB_CT_CLOSING) == "5");
    CHECK(remaining(132, LB_CT_OPEN) == "15");
    CHECK(remaining(132, LB_CT_ESTABLISHED) == "7995");
    CHECK(remaining(17, LB_CT_OPEN) == "25");
    CHECK(remaining(17, LB_CT_ESTABLISHED) == "55");
}

TEST_CASE("an entry past its time is expired, whatever its state was")
{
    auto entry = forward(6, LB_CT_CLOSING);
    entry.second.last_seen = 990 * 250;
    auto row = only_row(flows({{"tcp", {entry}}}));
    CHECK(row.contains("\"state\": \"expired\""));
    CHECK(row.contains("\"remaining_sec\": null"));
}

TEST_CASE("flows are filtered by any of their addresses and ports")
{
    std::vector<ctl::FlowTable> tables{{"tcp", {forward(6, LB_CT_OPEN)}}};
    for (auto ip : {"203.0.113.9", "10.96.0.1", "10.1.0.2", "192.0.2.1"}) {
        Filter filter;
        filter.ip = addr(ip);
        CHECK(flows(tables, filter).rows.size() == 1);
    }
    for (int port : {4711, 80, 8080, 50000}) {
        Filter filter;
        filter.port = Port{static_cast<std::uint16_t>(port)};
        CHECK(flows(tables, filter).rows.size() == 1);
    }
    Filter filter;
    filter.ip = addr("10.1.0.1");
    CHECK(flows(tables, filter).rows.empty());
    filter = {};
    filter.port = Port{443};
    CHECK(flows(tables, filter).rows.empty());
    filter = {};
    filter.protocol = Protocol::udp;
    CHECK(flows(tables, filter).rows.empty());
    filter = {};
    filter.ns = "other";
    CHECK(flows(tables, filter).rows.empty());
}

TEST_CASE("values no program writes are shown as numbers")
{
    auto entry = forward(99, LB_CT_OPEN);
    entry.second.state = 77;
    auto row = only_row(flows({{"any", {entry}}}));
    CHECK(row.contains("\"protocol\": \"?99\""));
    CHECK(row.contains("\"state\": \"?77\""));
}
