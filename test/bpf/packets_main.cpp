// Needs a kernel and the right to use it: without, everything is skipped with a code of its own, never
// passed.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sched.h>

#include <cstdio>
#include <exception>
#include <string>

#include "network.hpp"
#include "runner.hpp"

namespace {

constexpr int skipped = 77;

using namespace naru::test;

/// Buckets and counters are per CPU; one CPU makes limits exact.
void stay_on_one_cpu()
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<unsigned>(::sched_getcpu()), &one);
    ::sched_setaffinity(0, sizeof one, &one);
}

bool may_use_bpf()
{
    try {
        now_jiffies();
        return true;
    } catch (const std::exception& refused) {
        std::printf("skipped: %s (CAP_BPF and CAP_NET_ADMIN are needed)\n", refused.what());
        return false;
    }
}

/// Reasons of the socket shell.
bool only_elsewhere(lb_reason reason)
{
    return reason == LB_TRANSLATED || reason == LB_SOCK_REFUSED || reason == LB_SOCK_UNREACHABLE ||
           reason == LB_SOCK_LEFT;
}

int missing_reasons()
{
    int missing = 0;
    for (int i = 0; i < LB_REASON_COUNT; ++i) {
        auto reason = static_cast<lb_reason>(i);
        if (only_elsewhere(reason) || Runner::reached().contains(reason))
            continue;
        std::printf("no test reached the reason %s\n", std::string{name(reason)}.c_str());
        ++missing;
    }
    return missing;
}

} // namespace

int main(int argc, char** argv)
{
    Catch::Session session;
    if (int err = session.applyCommandLine(argc, argv))
        return err;
    const auto& config = session.configData();
    if (config.listTests || config.listTestNamesOnly || config.listTags || config.showHelp)
        return session.run();

    stay_on_one_cpu();
    if (!may_use_bpf())
        return skipped;
    if (auto failed = build_network(); !failed.empty()) {
        std::printf("skipped: cannot build %s\n", failed.c_str());
        return skipped;
    }
    int failures = session.run();
    bool all = config.testsOrTags.empty();
    return failures || (all && missing_reasons()) ? 1 : 0;
}
