#include <catch2/catch.hpp>

#include "datapath/missing.hpp"

using namespace naru;

namespace {

KernelFeatures everything()
{
    KernelFeatures features;
    features.set_retval = features.fib_source = features.tcx = true;
    return features;
}

std::string only_line(const KernelFeatures& features, const DatapathOptions& options = {})
{
    auto lines = missing(features, options);
    REQUIRE(lines.size() == 1);
    return lines.front();
}

} // namespace

TEST_CASE("of a kernel that has everything nothing is said", "[missing]")
{
    CHECK(missing(everything(), {}).empty());
}

TEST_CASE("each thing a kernel lacks is one line with its cost", "[missing]")
{
    auto features = everything();
    features.tcx = false;
    CHECK_THAT(only_line(features), Catch::Contains("clsact filters"));
    features = everything();
    features.fib_source = false;
    CHECK_THAT(only_line(features), Catch::Contains("first address of the device"));
    features = everything();
    features.largest_value = 4 << 20;
    CHECK_THAT(only_line(features), Catch::Contains("room for 4 MiB of Services instead of 64 MiB"));
}

TEST_CASE("what only socket programs need is not missed without them", "[missing]")
{
    auto features = everything();
    features.set_retval = false;
    CHECK_THAT(only_line(features), Catch::Contains("refused by packets"));
    DatapathOptions options;
    options.socket_lb = SocketLb::off;
    CHECK(missing(features, options).empty());
}

TEST_CASE("an arena that fits is not small, whatever the kernel's limit is", "[missing]")
{
    auto features = everything();
    features.largest_value = 4 << 20;
    DatapathOptions options;
    options.arena_bytes = 4 << 20;
    CHECK(missing(features, options).empty());
}
