// What Services mean on this node depends on: its v1 Node object and its network interfaces.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "address.hpp"
#include "forwarding.hpp"

namespace naru {

/// The own v1 Node object.
struct Node {
    std::string name;
    std::optional<std::string> zone;
    std::vector<Address> addresses; ///< status.addresses InternalIP, then ExternalIP, in their order
    bool eligible = true;           ///< false: being deleted, or tainted for it by the autoscaler
    std::vector<Cidr> pod_cidrs{};  ///< spec.podCIDRs

    friend bool operator==(const Node&, const Node&) = default;
};

/// `--nodeport-addresses`: which addresses of this node answer on nodePorts.
struct NodePortAddresses {
    bool primary = true;    ///< the first address of each family of the Node object
    bool localhost = false; ///< 127.0.0.1 and ::1, for processes of the host only
    bool all = false;       ///< every address of every interface, loopback included
    std::vector<Cidr> cidrs;

    friend bool operator==(const NodePortAddresses&, const NodePortAddresses&) = default;
};

/// `--external-ips`: which spec.externalIPs are served.
struct ExternalIps {
    bool on = true;
    std::vector<Cidr> only; ///< not empty: nothing outside

    friend bool operator==(const ExternalIps&, const ExternalIps&) = default;
};

/// Everything outside a Service that its tables depend on.
struct NodeView {
    Node node;
    std::set<Address> interface_addresses; ///< of all interfaces, loopback and link-local included
    NodePortAddresses node_ports;
    ExternalIps external_ips;
    /// `--published-node-addresses`: addresses of the Node are served where a load balancer or externalIPs
    /// name them.
    bool published_node_addresses = true;
    /// `--source-ranges-other-family closed`: loadBalancerSourceRanges of one family shut out the other.
    bool close_other_family = false;
    Forwarding forwarding = Forwarding::snat; ///< of Services that say nothing else
    std::set<SocketAddress>
        api_servers;        ///< as configured; the endpoints of default/kubernetes are known anyway
    std::string proxy_name; ///< own service-proxy-name; empty: only Services without the label

    /// Of an interface or of the Node object: such an address also carries traffic that is no Service's.
    bool owns(const Address& address) const;

    /// Where this node answers on nodePorts. Loopback addresses are for processes of the host only;
    /// link-local ones are left out, they mean nothing without their link.
    std::set<Address> node_port_addresses(Family family) const;

    friend bool operator==(const NodeView&, const NodeView&) = default;
};

bool inside_any(const std::vector<Cidr>& networks, const Address& address);

} // namespace naru
