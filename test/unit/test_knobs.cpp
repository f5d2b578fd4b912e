// Ports for source translation: what is left of the two ranges.
#include <catch2/catch.hpp>

#include "datapath/knobs.hpp"

using namespace naru;

namespace {

using Ranges = std::array<PortRange, 2>;

} // namespace

TEST_CASE("the kernel's default of local ports leaves both ranges of source translation whole", "[knobs]")
{
    CHECK(snat_ranges({32768, 60999}) == Ranges{{{1024, 29999}, {61000, 65535}}});
}

TEST_CASE("local ports are taken out of the ranges of source translation", "[knobs]")
{
    CHECK(snat_ranges({10000, 65535}) == Ranges{{{1024, 9999}, {}}});
    CHECK(snat_ranges({1024, 20000}) == Ranges{{{20001, 29999}, {61000, 65535}}});
    CHECK(snat_ranges({32768, 61000}) == Ranges{{{1024, 29999}, {61001, 65535}}});
    CHECK(snat_ranges({1024, 65535}) == Ranges{});
    CHECK(snat_ranges({29999, 29999}) == Ranges{{{1024, 29998}, {61000, 65535}}});
}

TEST_CASE("of a range that local ports cut in two the larger part is kept", "[knobs]")
{
    CHECK(snat_ranges({5000, 6000})[0] == PortRange{6001, 29999});
    CHECK(snat_ranges({25000, 26000})[0] == PortRange{1024, 24999});
}

TEST_CASE("processes of the host are served by their packets only where no socket is served", "[knobs]")
{
    const KernelFeatures features{};
    auto options = [](SocketLb lb) {
        DatapathOptions made{};
        made.socket_lb = lb;
        return made;
    };
    CHECK(knobs(options(SocketLb::off), features).value().host_packets == 1);
    CHECK(knobs(options(SocketLb::host), features).value().host_packets == 0);
    CHECK(knobs(options(SocketLb::all), features).value().host_packets == 0);
}

TEST_CASE("XDP takes frames of several buffers where the kernel knows such, but not behind the driver",
          "[knobs]")
{
    auto frags = [](XdpMode mode, bool known) {
        DatapathOptions options{};
        options.socket_lb = SocketLb::off;
        options.xdp = mode;
        KernelFeatures features{};
        features.xdp_frags = known;
        return knobs(options, features).value().xdp_frags == 1;
    };
    CHECK(frags(XdpMode::automatic, true));
    CHECK(frags(XdpMode::native, true));
    CHECK_FALSE(frags(XdpMode::generic, true));
    CHECK_FALSE(frags(XdpMode::native, false));
}

TEST_CASE("a range knows how many ports it has", "[knobs]")
{
    CHECK(PortRange{}.size() == 0);
    CHECK(PortRange{80, 80}.size() == 1);
    CHECK(PortRange{0, 65535}.size() == 65536);
}
