// The tick counter of the programs, read from user space.
#include <catch2/catch.hpp>

#include <cstdint>
#include <fstream>
#include <optional>
#include <string>

#include "datapath/jiffies.hpp"

using namespace naru;

namespace {

/// The kernel's own word, for root's eyes only.
std::optional<std::uint64_t> jiffies_of_timer_list()
{
    constexpr std::string_view prefix = "jiffies: ";
    std::ifstream file{"/proc/timer_list"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with(prefix))
            return std::stoull(line.substr(prefix.size()));
    return std::nullopt;
}

} // namespace

TEST_CASE("the tick counter is the kernel's own")
{
    auto before = now_jiffies();
    REQUIRE(before);
    auto told = jiffies_of_timer_list();
    auto after = now_jiffies();
    REQUIRE(after);
    CHECK(*before <= *after);
    if (!told) {
        WARN("no /proc/timer_list on this kernel: compared with the clock only");
        return;
    }
    CHECK(*before <= *told);
    CHECK(*told <= *after);
}

TEST_CASE("the computed counter is ahead by the time the kernel needed to its first tick")
{
    auto exact = now_jiffies();
    REQUIRE(exact);
    auto computed = approximate_jiffies();
    CHECK(computed >= *exact);
    CHECK(computed - *exact < 60 * ticks_per_second());
}
