// v1 Service as far as naru reads it. Optionals keep "absent" apart from "false"; defaults are applied in
// desired.cpp and nowhere else.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "address.hpp"
#include "name.hpp"

namespace naru {

/// Namespace and name. The identity of an object also needs its uid.
struct ObjectKey {
    Name ns;
    Name name;

    std::string text() const { return (ns + "/") + name; }
    friend auto operator<=>(const ObjectKey&, const ObjectKey&) = default;

    struct Hash {
        std::size_t operator()(const ObjectKey& key) const { return key.ns.hash() * 31 + key.name.hash(); }
    };
};

enum class ServiceType : std::uint8_t { cluster_ip, node_port, load_balancer, external_name };
enum class TrafficPolicy : std::uint8_t { cluster, local };

struct ServicePort {
    Name name;
    Protocol protocol = Protocol::tcp;
    Port port;
    Port node_port; ///< 0: none

    friend bool operator==(const ServicePort&, const ServicePort&) = default;
};

/// One entry of status.loadBalancer.ingress.
struct Ingress {
    std::optional<Address> ip;
    bool proxy = false; ///< ipMode: Proxy, not to be served

    friend bool operator==(const Ingress&, const Ingress&) = default;
};

struct Service {
    ObjectKey key;
    Name uid;
    std::int64_t created_sec = 0; ///< creationTimestamp, Unix time; 0: unknown
    ServiceType type = ServiceType::cluster_ip;
    std::vector<Address> cluster_ips; ///< empty: headless, not yet allocated, or ExternalName
    std::vector<Address> external_ips;
    std::vector<ServicePort> ports;
    std::vector<Ingress> ingress;
    std::vector<std::string> source_ranges; ///< as written; parsed where they are applied
    bool client_ip_affinity = false;
    std::optional<std::uint32_t> affinity_timeout_sec;
    std::optional<std::string> algorithm; ///< annotation naru.io/algorithm, as written
    std::optional<std::string> forwarding; ///< annotation naru.io/forwarding, as written
    TrafficPolicy external_policy = TrafficPolicy::cluster;
    TrafficPolicy internal_policy = TrafficPolicy::cluster;
    Port health_check_node_port;           ///< 0: none
    std::optional<std::string> proxy_name; ///< label service.kubernetes.io/service-proxy-name
    bool headless_label = false;           ///< label service.kubernetes.io/headless

    friend bool operator==(const Service&, const Service&) = default;
};

} // namespace naru
