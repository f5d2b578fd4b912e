// The /metrics page: numbers in, text out.
#include <catch2/catch.hpp>

#include <set>
#include <sstream>

#include "lb/reason.h"
#include "serve/metrics.hpp"

using namespace naru;

namespace {

std::set<std::string> lines(const std::string& text)
{
    std::set<std::string> out;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);)
        out.insert(line);
    return out;
}

void check_has(const Metrics& metrics, std::initializer_list<std::string> expected)
{
    const auto text = prometheus_text(metrics);
    INFO(text);
    for (const auto& line : expected) {
        INFO(line);
        CHECK(lines(text).contains(line));
    }
}

} // namespace

TEST_CASE("the state of the sync is on the page")
{
    Metrics metrics;
    metrics.version = "1.2.3";
    metrics.synced = true;
    metrics.sync = {.steps = 4,
                    .applied = 30,
                    .failed = 2,
                    .notices = {{"FrontendConflict", 1}},
                    .pending = 5,
                    .refused = 6,
                    .conflicts = 7};
    metrics.last_sync = std::chrono::system_clock::time_point{std::chrono::seconds{1700000000}};
    check_has(metrics, {R"(naru_build_info{version="1.2.3"} 1)", "naru_sync_synced 1",
                        "naru_sync_steps_total 4", R"(naru_sync_changes_total{outcome="applied"} 30)",
                        R"(naru_sync_changes_total{outcome="failed"} 2)", "naru_sync_changes_pending 5",
                        R"(naru_sync_notices_total{reason="FrontendConflict"} 1)", "naru_services_refused 6",
                        "naru_frontend_conflicts 7", "naru_sync_last_timestamp_seconds 1700000000",
                        "# TYPE naru_sync_steps_total counter", "# TYPE naru_sync_synced gauge"});
}

TEST_CASE("programs, missing hooks and the pressure on maps are on the page")
{
    Metrics metrics;
    metrics.attachments = {{"tc_ingress", "eth0", "tcx"}};
    metrics.hooks_missing = 2;
    metrics.maps = {{"lb_frontends", 25, 100}, {"lb_none", 0, 0}};
    metrics.udp_sockets_ended = 3;
    check_has(metrics,
              {R"(naru_program_info{hook="tc_ingress",mode="tcx",ifname="eth0"} 1)", "naru_hooks_missing 2",
               "naru_udp_sockets_ended_total 3", R"(naru_bpf_map_pressure{map="lb_frontends"} 0.25)",
               R"(naru_bpf_map_capacity{map="lb_frontends"} 100)",
               R"(naru_bpf_map_pressure{map="lb_none"} 0)"});
}

TEST_CASE("a counter is forwarding, passing or dropping by its reason, an unknown one a drop")
{
    Metrics metrics;
    metrics.counters = {{"tc_ingress", "forward_local", "", 10, 1000},
                        {"tc_ingress", "pass", "", 20, 2000},
                        {"sock", "no_backend", "", 3, 0},
                        {"sock", "of a later version", "", 1, 0}};
    check_has(metrics, {R"(naru_datapath_forward_packets_total{hook="tc_ingress",reason="forward_local"} 10)",
                        R"(naru_datapath_forward_bytes_total{hook="tc_ingress",reason="forward_local"} 1000)",
                        R"(naru_datapath_pass_packets_total{hook="tc_ingress",reason="pass"} 20)",
                        R"(naru_datapath_drop_packets_total{hook="sock",reason="no_backend"} 3)",
                        R"(naru_datapath_drop_packets_total{hook="sock",reason="of a later version"} 1)"});
}

TEST_CASE("every reason that drops in words is a drop in numbers, and no other is")
{
    const std::pair<const char*, const char*> reasons[] = {
#define X(symbol, key, meaning) {key, meaning},
        LB_REASONS(X)
#undef X
    };
    for (const auto& [key, meaning] : reasons) {
        const std::string words = meaning;
        const bool refuses = words.starts_with("dropped") || words.starts_with("rejected") ||
                             words.starts_with("socket call refused");
        Metrics metrics;
        metrics.counters = {{"tc_egress", key, meaning, 1, 1}};
        INFO(key << ": " << meaning);
        CHECK(refuses ==
              (prometheus_text(metrics).find("naru_datapath_drop_packets_total{") != std::string::npos));
    }
}

TEST_CASE("a device name cannot break the page")
{
    Metrics metrics;
    metrics.attachments = {{"tc_ingress", "a\"b\\c", "tcx"}};
    check_has(metrics, {R"(naru_program_info{hook="tc_ingress",mode="tcx",ifname="a\"b\\c"} 1)"});
}

TEST_CASE("listeners of health ports are counted by whether they answer")
{
    Metrics metrics;
    metrics.health_listening = 3;
    metrics.health_failed = 1;
    check_has(metrics, {R"(naru_service_health_listeners{state="listening"} 3)",
                        R"(naru_service_health_listeners{state="failed"} 1)"});
}

TEST_CASE("a watch that begins again is counted by how the last exchange had ended")
{
    Metrics metrics;
    metrics.watches = {{.resource = "services", .restarts = {{"ended", 3}, {"gone", 1}}}};
    check_has(metrics, {R"(naru_watch_restarts_total{resource="services",reason="ended"} 3)",
                        R"(naru_watch_restarts_total{resource="services",reason="gone"} 1)"});
}

TEST_CASE("what became of Events is counted where there is an API server for them")
{
    Metrics metrics;
    CHECK_THAT(prometheus_text(metrics), !Catch::Contains("naru_events_total"));
    metrics.events = {.created = 1, .repeated = 2, .shared = 3, .dropped = 4, .failed = 5};
    check_has(metrics,
              {R"(naru_events_total{outcome="created"} 1)", R"(naru_events_total{outcome="repeated"} 2)",
               R"(naru_events_total{outcome="shared"} 3)", R"(naru_events_total{outcome="dropped"} 4)",
               R"(naru_events_total{outcome="failed"} 5)"});
}
