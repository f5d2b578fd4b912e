#include "naructl/words.hpp"

#include <catch2/catch.hpp>

#include "datapath/knobs.hpp"
#include "naructl/pins.hpp"
#include "snapshots.hpp"

using namespace naru;
using namespace naru::ctl;

TEST_CASE("a duration has at most two units")
{
    CHECK(duration(0) == "0s");
    CHECK(duration(59) == "59s");
    CHECK(duration(60) == "1m0s");
    CHECK(duration(3599) == "59m59s");
    CHECK(duration(3600 + 5 * 60) == "1h5m");
    CHECK(duration(5 * 86400 + 4 * 3600) == "5d4h");
}

TEST_CASE("a fixed array is read to its end or its terminator")
{
    const char full[4] = {'a', 'b', 'c', 'd'}, part[4] = {'a', '\0', 'x', 'x'};
    CHECK(fixed(full) == "abcd");
    CHECK(fixed(part) == "a");
}

TEST_CASE("frontends are written as they are dialled")
{
    CHECK(frontend_text(to_raw(naru::test::key("10.96.0.1:80/TCP"))) == "10.96.0.1:80");
    CHECK(frontend_text(to_raw(naru::test::key("[fd00::1]:0"))) == "[fd00::1]:*");
}

TEST_CASE("numbers beyond the contract stay numbers")
{
    CHECK(kind_word(200) == "?200");
    CHECK(reason_key(4000).empty());
    CHECK(reason_key(0) == "pass");
}

TEST_CASE("the name of a pinned link tells hook and device")
{
    CHECK(parse_link_name("connect4") == PinnedLink{"connect4", std::nullopt});
    CHECK(parse_link_name("tc_ingress-12") == PinnedLink{"tc_ingress", 12});
    CHECK(parse_link_name("odd-name") == PinnedLink{"odd-name", std::nullopt});
    CHECK(parse_link_name("odd-") == PinnedLink{"odd-", std::nullopt});
    CHECK(parse_link_name("x-99999999999") == PinnedLink{"x-99999999999", std::nullopt});
}

TEST_CASE("metrics hide reasons that never happened, documents keep them")
{
    std::vector<ReasonCount> counts{{"sock", "translated", "socket call sent to a backend", 3, 0},
                                    {"tc_ingress", "no_backend", "rejected", 0, 0}};
    auto table = metrics(counts);
    CHECK(render(table, Format::table, true) ==
          "HOOK  REASON      PACKETS  BYTES  MEANING\n"
          "sock  translated  3        0      socket call sent to a backend\n");
    CHECK(render(table, Format::json, true)
              .contains(R"({"hook": "tc_ingress", "reason": "no_backend", "packets": 0)"));
}

TEST_CASE("status lists layout, use and programs")
{
    Status facts;
    facts.pins = "/sys/fs/bpf/naru/v1";
    facts.node.abi_version = 1;
    facts.node.arena_bytes = 1024;
    facts.node.primary4 = naru::test::addr("192.0.2.1").raw();
    facts.arena_used = 256;
    facts.maps = {{"lb_names", 3, 100}};
    facts.programs = {{"connect4", ""}, {"tc_ingress", "eth0"}};
    auto shown = render(status(facts), Format::table, false);
    CHECK(shown.contains("abi              1\n"));
    CHECK(shown.contains("primary_ipv4     192.0.2.1\n"));
    CHECK(shown.contains("primary_ipv6     none\n"));
    CHECK(shown.contains("256 of 1024 bytes (25.0%)\n"));
    CHECK(shown.contains("lb_names         3 of 100 (3.0%)\n"));
    CHECK(shown.contains("connect4         cgroup\n"));
    CHECK(shown.contains("tc_ingress       eth0\n"));
    CHECK(render(status(facts), Format::json, false).contains(R"("used": 3, "capacity": 100})"));
}

TEST_CASE("the lifetimes that are shown are those the programs are loaded with")
{
    DatapathOptions options;
    options.socket_lb = SocketLb::off;
    auto loaded = knobs(options, {});
    REQUIRE(loaded);
    auto shown = default_lifetimes();
    CHECK(shown.tcp_unreplied_sec == loaded->tcp_unreplied_sec);
    CHECK(shown.tcp_established_sec == loaded->tcp_established_sec);
    CHECK(shown.tcp_closing_sec == loaded->tcp_closing_sec);
    CHECK(shown.udp_sec == loaded->udp_sec);
    CHECK(shown.udp_unreplied_sec == loaded->udp_unreplied_sec);
    CHECK(shown.sock_udp_sec == loaded->sock_udp_sec);
}
