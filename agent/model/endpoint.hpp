// discovery.k8s.io/v1 EndpointSlice as far as naru reads it. v1 Endpoints are turned into the same shape.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "address.hpp"
#include "service.hpp"

namespace naru {

struct EndpointPort {
    Name name; ///< absent and empty are the same
    Protocol protocol = Protocol::tcp;
    std::optional<Port> port; ///< absent: not usable for a Service

    friend bool operator==(const EndpointPort&, const EndpointPort&) = default;
};

struct Endpoint {
    Address address; ///< the first of `addresses`; the others mean nothing
    std::optional<bool> ready;
    std::optional<bool> serving;
    std::optional<bool> terminating;
    std::optional<Name> node;
    std::vector<Name> zone_hints;
    std::vector<Name> node_hints;

    bool is_ready() const { return ready.value_or(true); }
    bool is_serving() const { return serving.value_or(true); }
    bool is_terminating() const { return terminating.value_or(false); }
    friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct EndpointSlice {
    ObjectKey key;
    Name service;                 ///< label kubernetes.io/service-name; empty: belongs to nobody
    std::optional<Family> family; ///< absent: FQDN or unknown, ignored
    bool headless_label = false;
    std::vector<EndpointPort> ports;
    std::vector<Endpoint> endpoints;
    std::string weights; ///< annotation naru.io/weight, as written

    ObjectKey service_key() const { return {key.ns, service}; }
    friend bool operator==(const EndpointSlice&, const EndpointSlice&) = default;
};

} // namespace naru
