// The hosts every test plays with, the same in both families, and the packets they exchange.
#pragma once

#include <ostream>
#include <vector>

#include "host.hpp"
#include "network.hpp"
#include "unit/builders.hpp"

namespace naru::test {

/// One family and one transport.
struct Cast {
    std::uint8_t protocol;
    SocketAddress client, other_client;      ///< outside, behind the gateway
    SocketAddress vip, other_vip, node_port; ///< node_port: on the uplink's address
    SocketAddress pod;                       ///< behind `pod`, also a backend
    SocketAddress second;                    ///< another local backend
    SocketAddress bridged, neighbour;        ///< behind `port`; its neighbour on the bridge
    SocketAddress away, second_away;         ///< backends on the other node
    SocketAddress nowhere;                   ///< an address without a route

    bool tcp() const { return protocol == proto_tcp; }
    bool sctp() const { return protocol == proto_sctp; }
    bool v4() const { return vip.address.family() == Family::v4; }
    const Address& node() const { return node_port.address; }

    /// From a client outside: the first packet of a flow, or one with these TCP flags (of SCTP with the chunk
    /// that says the same).
    Packet request(const SocketAddress& to, std::uint8_t flags = syn) const;
    Packet request(const SocketAddress& from, const SocketAddress& to, std::uint8_t flags = syn) const;
    /// From the pod behind `pod`.
    Packet pod_request(const SocketAddress& to, std::uint8_t flags = syn) const;
    /// From the backend, after it has seen a packet.
    Packet answer(const Packet& seen, std::uint8_t flags = syn | ack) const;
};

/// IPv4 and IPv6, TCP and UDP.
std::vector<Cast> casts();
/// Both families of one transport.
std::vector<Cast> casts(std::uint8_t protocol);

/// The same address with another port.
SocketAddress at_port(const SocketAddress& at, std::uint16_t port);

std::ostream& operator<<(std::ostream& out, const Cast& cast);

} // namespace naru::test
