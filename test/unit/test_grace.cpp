// A ticket passes after a wait that began later than it.
#include <catch2/catch.hpp>

#include <atomic>
#include <semaphore>

#include "datapath/grace.hpp"

using namespace naru;

TEST_CASE("a ticket passes only with a wait that began after it", "[grace]")
{
    std::counting_semaphore<> began{0}, over{0};
    GracePeriod grace{[&] {
        began.release();
        over.acquire();
        return true;
    }};
    auto first = grace.begin();
    began.acquire();
    auto second = grace.begin(); // while the wait for the first is under way
    CHECK_FALSE(grace.passed(first));

    over.release();
    grace.wait(first);
    CHECK(grace.passed(first));
    began.acquire();
    CHECK_FALSE(grace.passed(second));
    over.release();
    grace.wait(second);
    CHECK(grace.passed(second));
}

TEST_CASE("nothing is waited for when nothing is retired", "[grace]")
{
    std::atomic<int> waits{0};
    {
        GracePeriod grace{[&] {
            ++waits;
            return true;
        }};
    }
    CHECK(waits == 0);
}

TEST_CASE("an end while the kernel cannot tell does not take the fallback's seconds", "[grace]")
{
    std::binary_semaphore asked{0};
    auto start = std::chrono::steady_clock::now();
    {
        GracePeriod grace{[&] {
            asked.release();
            return false;
        }};
        auto ticket = grace.begin();
        asked.acquire();
        CHECK_FALSE(grace.passed(ticket));
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds{4});
}
