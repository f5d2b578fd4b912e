// The constants of the programs: what the kernel, the options and datapath.md say, as one lb_config.
#pragma once

#include <array>
#include <optional>

#include "lb/abi.h"
#include "model/result.hpp"
#include "options.hpp"
#include "probe.hpp"

namespace naru {

/// Inclusive, host order; low above high: empty.
struct PortRange {
    std::uint16_t low = 1;
    std::uint16_t high = 0;

    unsigned size() const { return high >= low ? high - low + 1u : 0; }
    friend bool operator==(const PortRange&, const PortRange&) = default;
};

/// Ports for source translation: 1024-29999 and 61000-65535, without those the host gives to its own sockets
/// and without NodePorts (30000-32767). Of a range cut in two the larger part is kept.
std::array<PortRange, 2> snat_ranges(PortRange local_ports);

/// Reads this namespace's net.ipv4.ip_local_port_range (which holds for IPv6 too).
Result<PortRange> local_port_range();

Result<lb_config> knobs(const DatapathOptions& options, const KernelFeatures& features);

} // namespace naru
