// One Service and its slices -> what it wants in the tables. Pure; knows nothing of other Services.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "flat_map.hpp"
#include "node.hpp"
#include "tables.hpp"

namespace naru {

/// Something a person should hear about a Service: an Event and a log line.
struct Notice {
    ObjectKey service;
    std::string reason; ///< CamelCase, as in Events: "FrontendConflict"
    std::string message;

    friend auto operator<=>(const Notice&, const Notice&) = default;
};

/// A frontend row and the claim to it, in the order of semantics.md 3.3: kind, then age, then uid.
struct Claim {
    FrontendRow row;
    ObjectKey owner;
    std::int64_t created_sec = 0;
    Name uid;

    friend bool operator==(const Claim&, const Claim&) = default;
};

/// What a load balancer may ask about a Service with externalTrafficPolicy Local, and the claim to its port.
struct HealthCheck {
    Port port;
    std::int64_t created_sec = 0;
    std::string uid;
    /// Addresses of ready endpoints on this node, for each family the Service has a ClusterIP of.
    std::map<Family, std::size_t> ready_here;

    friend bool operator==(const HealthCheck&, const HealthCheck&) = default;
};

/// The rows of one Service.
using ServiceRows = FlatMap<ServiceId, ServiceRow>;
using FrontendClaims = FlatMap<FrontendKey, Claim>;

struct Desired {
    ServiceRows services;
    FrontendClaims claims;
    std::optional<HealthCheck> health_check;
    std::vector<Notice> notices;
};

/// Slices must belong to the Service. A Service that is not to be served gives an empty answer.
Desired desired(const Service& service, std::span<const EndpointSlice* const> slices, const NodeView& view);

} // namespace naru
