// Health answers: states in, status and body out.
#include <catch2/catch.hpp>

#include "serve/health.hpp"

using namespace naru;
using namespace std::chrono_literals;

namespace {

/// 2026-01-02 03:04:05.000006 UTC.
Health at_rest()
{
    Health health;
    health.now = Health::Time{1767323045s + 6us};
    health.last_sync = health.now - 1h;
    return health;
}

} // namespace

TEST_CASE("with nothing waiting all answers are good, and what is in force is of now")
{
    const auto answer = healthz(at_rest());
    CHECK(answer.status == 200);
    CHECK(answer.type == "application/json");
    CHECK(
        answer.body ==
        R"({"lastUpdated":"2026-01-02T03:04:05.000006Z","currentTime":"2026-01-02T03:04:05.000006Z",)"
        R"("nodeEligible":true,"healthy":true,"status":{"IPv4":{"lastUpdated":"2026-01-02T03:04:05.000006Z",)"
        R"("healthy":true},"IPv6":{"lastUpdated":"2026-01-02T03:04:05.000006Z","healthy":true}}})");
    CHECK(livez(at_rest()).status == 200);
    CHECK(readyz(at_rest()).status == 200);
}

TEST_CASE("a change that waits is forgiven for a minute, then names its family")
{
    auto health = at_rest();
    health.stuck_since[1] = health.now - 60s;
    CHECK(livez(health).status == 200);
    health.now += 1us;
    CHECK(livez(health).status == 503);
    CHECK(healthz(health).status == 503);
    CHECK_THAT(
        livez(health).body,
        Catch::StartsWith(R"({"lastUpdated":"2026-01-02T02:04:05.000006Z",)") &&
            Catch::Contains(R"("healthy":false,"status":{"IPv4":{)") &&
            Catch::EndsWith(R"("IPv6":{"lastUpdated":"2026-01-02T02:04:05.000006Z","healthy":false}}})"));
}

TEST_CASE("a node that is leaving fails the load balancer's probe and nothing else")
{
    auto health = at_rest();
    health.node_eligible = false;
    CHECK(healthz(health).status == 503);
    CHECK_THAT(healthz(health).body, Catch::Contains(R"("nodeEligible":false,"healthy":true)"));
    CHECK(livez(health).status == 200);
    CHECK(readyz(health).status == 200);
}

TEST_CASE("what readiness waits for is said")
{
    auto health = at_rest();
    health.not_ready = {"the first sync", "tc_ingress on eth0"};
    CHECK(readyz(health).status == 503);
    CHECK(readyz(health).body == "not ready: the first sync; tc_ingress on eth0\n");
    CHECK(livez(health).status == 200);
}
