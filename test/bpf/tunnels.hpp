// IP in IP, as nodes send it to one another.
#pragma once

#include "cast.hpp"

namespace naru::test {

/// The bytes of the outer header.
std::size_t overhead(const Cast& on);

/// A packet in an IP header of its own: what a node makes of what it got, hop limit of the inner packet as it
/// stands.
Packet in_tunnel(const Packet& inner, const Address& from, const Address& to);

Packet in_tunnel(const Bytes& inner, const Address& from, const Address& to);

/// The inner packet as a frame.
Bytes inner_frame(const Packet& outer);

/// The same, as it comes in at the backend's node from the node that was asked.
Packet arriving(const Packet& inner, const Address& from, const Address& to);

/// The node that was asked, and an address of it that is no backend's.
Address asked_node(const Cast& on);

/// What leaves a node of a packet: hop limit less one.
Packet onward(Packet packet);

} // namespace naru::test
