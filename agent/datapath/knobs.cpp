#include "knobs.hpp"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>

#include "jiffies.hpp"

namespace naru {

namespace {

constexpr PortRange snat_low{1024, 29999};
constexpr PortRange snat_high{61000, 65535};
constexpr unsigned fewest_snat_ports = 1024;

/// Per CPU. New flows: the rate at which Katran stops to make entries. Rejects: the kernel's
/// icmp_msgs_per_sec.
constexpr std::uint32_t new_flows_per_sec = 125'000;
constexpr std::uint32_t rejects_per_sec = 1000;

PortRange without(PortRange range, PortRange taken)
{
    if (taken.size() == 0 || taken.high < range.low || taken.low > range.high)
        return range;
    PortRange below, above;
    if (taken.low > range.low)
        below = {range.low, static_cast<std::uint16_t>(taken.low - 1)};
    if (taken.high < range.high)
        above = {static_cast<std::uint16_t>(taken.high + 1), range.high};
    return above.size() > below.size() ? above : below;
}

} // namespace

std::array<PortRange, 2> snat_ranges(PortRange local_ports)
{
    return {without(snat_low, local_ports), without(snat_high, local_ports)};
}

Result<PortRange> local_port_range()
{
    constexpr const char* path = "/proc/sys/net/ipv4/ip_local_port_range";
    std::ifstream file{path};
    PortRange range;
    if (!(file >> range.low >> range.high))
        return error(std::string{"read "} + path + ": no two ports there");
    return range;
}

Result<lb_config> knobs(const DatapathOptions& options, const KernelFeatures& features)
{
    auto local_ports = local_port_range();
    if (!local_ports)
        return std::unexpected{local_ports.error()};
    auto snat = snat_ranges(*local_ports);
    if (snat[0].size() + snat[1].size() < fewest_snat_ports)
        return error(fmt::format(
            "net.ipv4.ip_local_port_range {}-{} leaves {} ports for source translation, naru needs "
            "{} of 1024-29999 and 61000-65535: narrow it (the kernel's default is 32768-60999)",
            local_ports->low, local_ports->high, snat[0].size() + snat[1].size(), fewest_snat_ports));

    lb_config config{};
    if (options.socket_lb != SocketLb::off) {
        auto cookie = netns_cookie();
        if (!cookie && cookie.error().code == std::errc::no_protocol_option)
            cookie = netns_cookie_below(options.cgroup_path);
        if (!cookie)
            return std::unexpected{cookie.error()};
        config.host_netns_cookie = *cookie;
    }
    config.hz = ticks_per_second();
    config.seed = options.seed;
    config.arena_bytes = std::min(options.arena_bytes, features.largest_value);
    config.reject_per_sec = rejects_per_sec;
    config.new_flow_per_sec = new_flows_per_sec;
    for (std::size_t i = 0; i < snat.size(); ++i) {
        config.snat_low[i] = snat[i].low;
        config.snat_high[i] = snat[i].high;
    }
    config.sock_host_only = options.socket_lb == SocketLb::host;
    config.host_packets = options.socket_lb == SocketLb::off;
    config.can_set_retval = features.set_retval;
    config.fib_src = features.fib_source;
    // Behind the driver newer kernels (6.18 does) copy a packet for a program that takes several buffers, and
    // the copy does not know how long its link layer header is: tc programs after it find the IP header where
    // that should be. A program that takes one buffer gets the packet itself, in one.
    config.xdp_frags = features.xdp_frags && options.xdp != XdpMode::generic;
    config.tcp_unreplied_sec = 20;
    config.tcp_established_sec = 8000;
    config.tcp_closing_sec = 10;
    config.udp_sec = 60;
    config.udp_unreplied_sec = 30;
    config.sock_udp_sec = 60;
    return config;
}

} // namespace naru
