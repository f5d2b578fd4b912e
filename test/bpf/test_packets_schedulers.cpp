// rr, wrr, lc, wlc, sed and nq against what ipvsadm(8) says of them.
#include <rapidcheck.h>
#include <sched.h>

#include <set>

#include "bpf/expect.hpp"
#include "bpf/scheduled.hpp"

using namespace naru;
using namespace naru::test;

namespace {

using Weights = std::vector<std::uint16_t>;

/// Whom the description of an algorithm names, given the open connections of each. Fractions as they are
/// written there.
std::size_t described(lb_algorithm algorithm, const Weights& weights, const std::vector<std::int64_t>& open)
{
    const auto cost = [&](std::size_t i) {
        const auto connections = static_cast<double>(open[i]), weight = static_cast<double>(weights[i]);
        switch (algorithm) {
        case LB_ALGORITHM_LC:
            return connections;
        case LB_ALGORITHM_WLC:
            return connections / weight;
        case LB_ALGORITHM_SED:
            return (connections + 1) / weight;
        default: // nq
            return open[i] ? (connections + 1) / weight : 0;
        }
    };
    std::size_t least = weights.size();
    for (std::size_t i = 0; i < weights.size(); ++i)
        if (weights[i] && (least == weights.size() || cost(i) < cost(least)))
            least = i;
    return least;
}

const std::vector comparing{LB_ALGORITHM_LC, LB_ALGORITHM_WLC, LB_ALGORITHM_SED, LB_ALGORITHM_NQ};

/// Runs on one CPU, and afterwards wherever it could before.
class OnCpu {
public:
    explicit OnCpu(int cpu)
    {
        sched_getaffinity(0, sizeof before_, &before_);
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET(static_cast<std::size_t>(cpu), &only);
        sched_setaffinity(0, sizeof only, &only);
    }
    OnCpu(const OnCpu&) = delete;
    OnCpu& operator=(const OnCpu&) = delete;
    ~OnCpu() { sched_setaffinity(0, sizeof before_, &before_); }

private:
    cpu_set_t before_{};
};

} // namespace

TEST_CASE("rr: each backend in its turn, whatever its weight, by all frontends of the Service")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_RR, {1, 9, 1, 2}};
    CHECK(calls.dial_some(6) == "ABCDAB");
    CHECK(Scheduled::letter(calls.dial(on.other_vip).backend) == 'C');
    CHECK(calls.dial_some(1) == "D");
}

TEST_CASE("rr: the CPUs of a node share the turn")
{
    auto on = casts(proto_tcp).front();
    Scheduled calls{on, LB_ALGORITHM_RR, {1, 1, 1}};
    std::string order;
    for (int i = 0; i < 6; ++i) {
        OnCpu here{i % 2}; // where there is one only, it stays there
        order += calls.dial_some(1);
    }
    CHECK(order == "ABCABC");
}

TEST_CASE("wrr: by weight, heavier ones first, equal ones alike")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    CHECK(Scheduled{on, LB_ALGORITHM_WRR, {4, 3, 2}}.dial_some(18) == "AABABCABCAABABCABC");
    CHECK(Scheduled{on, LB_ALGORITHM_WRR, {1, 3}}.dial_some(8) == "BBABBBAB");
    CHECK(Scheduled{on, LB_ALGORITHM_WRR, {7, 7}}.dial_some(4) == "ABAB");
}

TEST_CASE("lc: more to whom has fewer connections, whatever the weight")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_LC, {1, 5, 1}};
    auto first = calls.dial();
    CHECK(calls.dial_some(2) == "BC");
    calls.establish(first);
    CHECK(calls.dial_some(1) == "A");
    calls.close(first);
    CHECK(calls.open(0) == 1);
    CHECK(calls.dial_some(3) == "ABC");
}

TEST_CASE("wlc, sed, nq: connections for the weight, the one to come counted in, an idle one first")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    CHECK(Scheduled{on, LB_ALGORITHM_WLC, {1, 3}}.dial_some(6) == "ABBBAB");
    CHECK(Scheduled{on, LB_ALGORITHM_SED, {1, 3}}.dial_some(6) == "BBABBB");
    CHECK(Scheduled{on, LB_ALGORITHM_NQ, {1, 3}}.dial_some(6) == "ABBBBB");
}

TEST_CASE("over any history of connections the choice is the one described")
{
    CHECK(rc::check([] {
        const auto on = *rc::gen::elementOf(casts(proto_tcp));
        const auto algorithm = *rc::gen::elementOf(comparing);
        const auto weights = *rc::gen::suchThat(
            rc::gen::container<Weights>(rc::gen::inRange<std::uint16_t>(0, 6)), [](const Weights& all) {
                return all.size() <= 64 && std::ranges::any_of(all, [](auto each) { return each != 0; });
            });
        Scheduled calls{on, algorithm, weights};
        std::vector<Scheduled::Call> there;
        std::vector<std::int64_t> open(weights.size());
        for (auto step : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 4))) {
            if (step < 2 || there.empty()) {
                there.push_back(calls.dial());
                RC_ASSERT(there.back().backend == described(algorithm, weights, open));
                ++open[there.back().backend];
                if (step == 1)
                    calls.establish(there.back());
                continue;
            }
            const auto at = *rc::gen::inRange<std::size_t>(0, there.size());
            const auto call = there[at];
            there.erase(there.begin() + static_cast<std::ptrdiff_t>(at));
            if (step == 2)
                calls.close(call);
            else
                calls.backend_says(call, rst | ack);
            --open[call.backend];
            RC_ASSERT(calls.open(call.backend) == open[call.backend]);
        }
    }));
}

TEST_CASE("up to 64 backends all are compared, of more as many neighbours, and where they begin is chance")
{
    auto on = casts(proto_tcp).front();
    Scheduled exact{on, LB_ALGORITHM_LC, Weights(64, 1)};
    for (std::size_t i = 0; i < 64; ++i)
        CHECK(exact.dial().backend == i);

    constexpr std::size_t count = 100;
    Scheduled sampled{on, LB_ALGORITHM_WLC, Weights(count, 1)};
    std::vector<std::int64_t> open(count);
    for (int i = 0; i < 300; ++i) {
        const auto chosen = sampled.dial().backend;
        // 99 others, of which 63 are compared with it: 36 at most may have had less.
        CHECK(std::ranges::count_if(open, [&](auto each) { return each < open[chosen]; }) <= 36);
        ++open[chosen];
    }
    // Three for each, if all were compared.
    CHECK(std::ranges::max(open) <= 5);
    CHECK(std::ranges::min(open) >= 1);
    std::set<std::size_t> begins;
    for (int i = 0; i < 20; ++i) {
        Scheduled idle{on, LB_ALGORITHM_LC, Weights(count, 1)};
        begins.insert(idle.dial().backend);
    }
    CHECK(begins.size() > 5);
}

TEST_CASE("a connection is counted once, whatever is said on it, until it ends")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_LC, {1}};
    auto call = calls.dial();
    calls.client_says(call, syn); // once more
    CHECK(calls.open(0) == 1);
    calls.establish(call);
    calls.client_says(call, ack);
    CHECK(calls.open(0) == 1);
    calls.client_says(call, fin | ack);
    CHECK(calls.open(0) == 1); // the backend may still have much to say
    calls.backend_says(call, fin | ack);
    CHECK(calls.open(0) == 0);
    calls.client_says(call, ack);
    calls.backend_says(call, rst);
    CHECK(calls.open(0) == 0);
}

TEST_CASE("a connection whose reset nobody believed is counted again")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_LC, {1}};
    auto call = calls.dial();
    calls.establish(call);
    calls.client_says(call, rst);
    CHECK(calls.open(0) == 0);
    calls.backend_says(call, ack);
    CHECK(calls.open(0) == 1);
}

TEST_CASE("a client that dials again from one port has one connection")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_LC, {1}};
    for (int i = 0; i < 3; ++i) {
        auto call = calls.dial(on.client, on.vip);
        calls.establish(call);
        CHECK(calls.open(0) == 1);
    }
}

TEST_CASE("a backend of weight 0 is given nothing new and keeps what it has")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    for (auto algorithm : {LB_ALGORITHM_RR, LB_ALGORITHM_WRR, LB_ALGORITHM_LC, LB_ALGORITHM_WLC,
                           LB_ALGORITHM_SED, LB_ALGORITHM_NQ, LB_ALGORITHM_DEFAULT, LB_ALGORITHM_SH}) {
        Scheduled calls{on, algorithm, {1}};
        auto kept = calls.dial();
        REQUIRE(kept.backend == 0);
        if (on.tcp())
            calls.establish(kept);
        calls.publish(algorithm, {0, 2});
        CHECK(calls.dial_some(5) == "BBBBB");
        CHECK(calls.knock(on.request(kept.sent.src, kept.sent.dst, ack)).packet().dst == kept.seen.dst);
        calls.publish(algorithm, {0, 0});
        CHECK(name(calls.knock(on.request({on.client.address, {1999}}, on.vip)).reason) == "no_backend");
    }
}

TEST_CASE("session affinity comes first; the first time a client is placed like a flow")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    for (auto algorithm : {LB_ALGORITHM_RR, LB_ALGORITHM_LC}) {
        Scheduled calls{on, algorithm, {1, 1, 1}, 60};
        CHECK(calls.dial_some(4) == "AAAA");
        CHECK(calls.dial(on.other_client, on.vip).backend == 1);
        CHECK(calls.dial_some(2) == "AA");
        calls.node.pass(std::chrono::seconds{60});
        CHECK(calls.dial().backend !=
              1); // the turn is the third one's; the least loaded is no longer the first
    }
}

TEST_CASE("the middle of a connection that nobody knows is no turn and no load")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    for (auto algorithm : {LB_ALGORITHM_RR, LB_ALGORITHM_WRR, LB_ALGORITHM_LC, LB_ALGORITHM_NQ}) {
        Scheduled calls{on, algorithm, {1, 1}};
        CHECK(name(calls.knock(on.request(on.vip, ack)).reason) == "no_flow");
        CHECK(calls.dial_some(2) == "AB");
    }
}

TEST_CASE("another algorithm moves no flow, and ends of what it did not see begin are none")
{
    auto on = GENERATE(from_range(casts(proto_tcp)));
    CAPTURE(on);
    Scheduled calls{on, LB_ALGORITHM_RR, {1, 1}};
    auto a = calls.dial(), b = calls.dial();
    calls.establish(a);
    calls.establish(b);
    calls.publish(LB_ALGORITHM_LC, {1, 1});
    CHECK(calls.knock(on.request(b.sent.src, b.sent.dst, ack)).packet().dst == b.seen.dst);
    calls.close(b);
    calls.close(a);
    CHECK(calls.dial_some(4) == "ABAB");
}

TEST_CASE("who compares nothing counts nothing")
{
    auto on = GENERATE(from_range(casts()));
    CAPTURE(on);
    for (auto algorithm : {LB_ALGORITHM_DEFAULT, LB_ALGORITHM_RR, LB_ALGORITHM_WRR}) {
        Scheduled calls{on, algorithm, {1}};
        (void)calls.dial();
        CHECK(calls.open(0) == 0);
    }
}
