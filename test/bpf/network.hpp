// The network of a node with three kinds of devices, in a namespace of this process, so that routes and
// neighbours resolve as on a node. Nothing ever arrives anywhere: the programs only ask.
#pragma once

#include <string>

#include "packet.hpp"

namespace naru::test {

/// A device of the node.
struct Link {
    unsigned ifindex = 0;
    Mac mac{};
};

struct Network {
    Link uplink; ///< 192.0.2.1/24, 2001:db8:1::1/64; the way to clients and to other nodes
    Link pod;    ///< routed: 10.1.1.2, fd00:1:1::2 behind it; no address of its own
    Link bridge; ///< 10.1.3.1/24, fd00:1:3::1/64
    Link port;   ///< of the bridge
};

constexpr Mac gateway_mac{2, 0, 0, 0, 0, 0xfe}; ///< next hop of clients
constexpr Mac other_mac{2, 0, 0, 0, 0, 0x22};   ///< the other node
constexpr Mac pod_mac{2, 0, 0, 0, 1, 2};        ///< of the pod behind `pod`
constexpr Mac neighbour_mac{2, 0, 0, 0, 3, 3};  ///< of 10.1.3.3 and fd00:1:3::3 on the bridge
constexpr Mac port_pod_mac{2, 0, 0, 0, 3, 2};   ///< of the pod behind `port`, 10.1.3.2 and fd00:1:3::2

/// Moves this process into a new network namespace and builds it. An error names the step.
std::string build_network();

/// What build_network() built.
const Network& network();

} // namespace naru::test
