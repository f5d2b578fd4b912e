// The agent-owned tables of the kernel, read once and checked: what all verbs about Services are computed
// from.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datapath/maps.hpp"
#include "model/address.hpp"
#include "model/layout.hpp"

namespace naru::ctl {

/// What lb_names says about a service number.
struct ServiceName {
    std::string ns, name, port_name;
    std::uint8_t proto = 0, family = 0, scope = 0, type = 0;

    std::string text() const; ///< "shop/web:http"
    static ServiceName from(const lb_service_name& raw);
};

struct ServiceView {
    std::optional<ServiceName> name;
    std::optional<Block> block; ///< absent: no record, or one that contradicts itself
};

struct Snapshot {
    std::map<std::uint32_t, ServiceView> services; ///< every number that has a name or a frontend
    std::vector<std::pair<lb_frontend_key, lb_frontend>> frontends;
    std::vector<lb_range_key> ranges;
    /// Services that want what another one owns, as "shop/web": by address, port and protocol, and by rank.
    std::map<std::pair<SocketAddress, std::uint8_t>, std::map<std::uint32_t, std::string>> waiting;
    /// Open connections of backends that a service compares, by generation; none: no entry.
    std::map<std::uint32_t, std::uint64_t> connections;
    std::vector<std::string> remarks; ///< what did not fit together

    /// "shop/web:http", "#12" for a number without a name, "" for 0.
    std::string label(std::uint32_t service) const;
    const ServiceView* find(std::uint32_t service) const;
    const Block* block(std::uint32_t service) const;
    std::uint64_t connections_of(const lb_backend& backend) const;
    /// Who waits for this frontend, the next owner first.
    std::vector<std::string> waiting_for(const lb_frontend_key& frontend) const;
};

/// Records are read again after their blocks, and blocks whose record changed meanwhile as well, a few times.
Result<Snapshot> read_snapshot(const Maps& maps);

/// How many may be chosen for new flows, how many there are.
struct BackendCount {
    std::uint64_t chosen = 0, total = 0;
};
BackendCount count_backends(const Block& block);

inline bool is_vacant(const lb_backend& row) { return row.generation == 0; }

} // namespace naru::ctl
