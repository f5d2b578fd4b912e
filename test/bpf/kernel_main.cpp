// Needs a kernel and the right to use it: without, everything is skipped with a code of its own, never
// passed. Runs in a network namespace of its own, so that devices made here are nobody else's.
#define CATCH_CONFIG_RUNNER
#include <catch2/catch.hpp>

#include <sched.h>

#include <cstdio>

#include "datapath/probe.hpp"

namespace {

constexpr int skipped = 77;

} // namespace

int main(int argc, char** argv)
{
    Catch::Session session;
    if (int err = session.applyCommandLine(argc, argv))
        return err;
    const auto& config = session.configData();
    if (config.listTests || config.listTestNamesOnly || config.listTags || config.showHelp)
        return session.run();

    if (auto able = naru::check_capabilities(); !able) {
        std::printf("skipped: %s\n", able.error().message().c_str());
        return skipped;
    }
    if (::unshare(CLONE_NEWNET) != 0) {
        std::perror("skipped: make a network namespace (CAP_SYS_ADMIN is needed)");
        return skipped;
    }
    return session.run();
}
