// Signals sent to this process, or to a child that will not end by itself.
#include <catch2/catch.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <future>

#include "stop_signals.hpp"

using namespace naru;
using namespace std::chrono_literals;

TEST_CASE("SIGTERM and SIGINT ask for the stop")
{
    for (const int signal : {SIGTERM, SIGINT}) {
        std::promise<void> asked;
        const StopSignals signals{[&] { asked.set_value(); }};
        ::kill(::getpid(), signal);
        CHECK(asked.get_future().wait_for(5s) == std::future_status::ready);
    }
}

TEST_CASE("without a signal nobody is asked, and the end does not wait")
{
    bool asked = false;
    {
        const StopSignals signals{[&] { asked = true; }};
    }
    CHECK_FALSE(asked);
}

TEST_CASE("a process that does not end in time is left with code 0, within a second")
{
    const auto begin = std::chrono::steady_clock::now();
    const pid_t child = ::fork();
    if (child == 0) {
        const StopSignals signals{[] {}};
        ::kill(::getpid(), SIGTERM);
        std::this_thread::sleep_for(30s);
        std::_Exit(99);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(std::chrono::steady_clock::now() - begin < 5s); // an idle machine takes 0.7 s
}
