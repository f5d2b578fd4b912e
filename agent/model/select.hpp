// Which endpoints serve one Service port of one family: the lists of semantics.md section 4. Pure.
#pragma once

#include <span>
#include <vector>

#include "endpoint.hpp"
#include "node.hpp"

namespace naru {

/// One endpoint as a backend of one list.
struct Backend {
    SocketAddress at;
    bool chosen = false;  ///< new flows may land here
    bool serving = false; ///< old flows may stay
    bool local = false;   ///< on this node
    bool terminating = false;
    std::uint16_t weight = 1; ///< share of new flows; with 0 never chosen

    friend auto operator<=>(const Backend&, const Backend&) = default;
};

/// Both lists of a port. Each holds every serving or ready endpoint once, sorted by address and port;
/// `chosen` tells the lists apart.
struct Selection {
    std::vector<Backend> cluster;
    std::vector<Backend> local;
    bool any_usable = false; ///< some endpoint anywhere is ready, or serving and terminating
    bool ready_here = false; ///< those chosen in `local` are ready; else they are its fallback
    unsigned refused = 0;    ///< endpoints with an address nobody may serve (loopback, link-local, ...)
};

/// Slices must all belong to the Service; their order does not matter. `port_name` and `protocol` pick the
/// port.
Selection select_endpoints(std::span<const EndpointSlice* const> slices, const Name& port_name,
                           Protocol protocol, Family family, const Node& node);

} // namespace naru
