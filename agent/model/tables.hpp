// The agent-owned tables as values, with names instead of numbers: what desired() computes, what diff()
// compares, what golden tests read. Numbers, positions and bytes come later (layout.hpp).
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "address.hpp"
#include "backends.hpp"
#include "forwarding.hpp"
#include "service.hpp"

namespace naru {

enum class Scope : std::uint8_t { cluster = LB_SCOPE_CLUSTER, local = LB_SCOPE_LOCAL };

/// A service of the datapath: one backend set with one policy. A Service port has up to two for each family.
struct ServiceId {
    ObjectKey key;
    Name uid;
    Name port_name;
    Protocol protocol = Protocol::tcp;
    Family family = Family::v4;
    Scope scope = Scope::cluster;

    std::string text() const; ///< "shop/web:http/TCP v4 cluster"
    friend auto operator<=>(const ServiceId&, const ServiceId&) = default;

    struct Hash {
        std::size_t operator()(const ServiceId& id) const;
    };
};

struct ServiceRow {
    Backends backends;                      ///< sorted; serving ones only
    std::uint32_t affinity_timeout_sec = 0; ///< 0: none
    bool drop_if_empty = false;
    lb_algorithm algorithm = LB_ALGORITHM_DEFAULT;
    Forwarding forwarding = Forwarding::snat;
    lb_service_type type = LB_TYPE_CLUSTER_IP;
    std::vector<Cidr> source_ranges; ///< sorted; admitted clients where a frontend checks them

    friend bool operator==(const ServiceRow&, const ServiceRow&) = default;
};

/// port 0 without protocol: the wildcard row of an address.
struct FrontendKey {
    Address address;
    Port port;
    std::optional<Protocol> protocol;

    std::string text() const; ///< "10.96.0.1:80/TCP", "10.96.0.1:*"
    friend auto operator<=>(const FrontendKey&, const FrontendKey&) = default;
};

struct FrontendRow {
    lb_frontend_kind kind = LB_KIND_CLUSTER_IP;
    std::optional<ServiceId> inside; ///< absent in a wildcard row
    std::optional<ServiceId> outside;
    bool host_only = false;
    bool node_address = false;
    bool ranges = false;
    bool admits_node = false;

    friend bool operator==(const FrontendRow&, const FrontendRow&) = default;
};

/// The whole of it.
struct Tables {
    std::unordered_map<ServiceId, ServiceRow, ServiceId::Hash> services;
    std::map<FrontendKey, FrontendRow> frontends; ///< the rows of an address are neighbours

    bool empty() const { return services.empty() && frontends.empty(); }
    friend bool operator==(const Tables&, const Tables&) = default;
};

/// The row of `key` in one of the above, or in a map like them; null when there is none.
template <class Rows>
const typename Rows::mapped_type* find_row(const Rows& rows, const typename Rows::key_type& key)
{
    auto found = rows.find(key);
    return found == rows.end() ? nullptr : &found->second;
}

std::set<ObjectKey> services_in(const Tables& tables);            ///< that have any row
std::set<ObjectKey> services_with_backends(const Tables& tables); ///< that have a backend

/// One line a row, sorted, in words: the form of golden tests and logs.
std::string render(const Tables& tables);

} // namespace naru
