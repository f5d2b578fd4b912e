// From the text of a field to its meaning, the same for both encodings. Lenient, as a client of the API must
// be: the server has checked its objects, and what is new or odd here must not cost the rest of the object.
#pragma once

#include <string_view>

#include "object.hpp"

namespace naru::kube {

inline constexpr std::string_view label_service_name = "kubernetes.io/service-name";
inline constexpr std::string_view label_headless = "service.kubernetes.io/headless";
inline constexpr std::string_view label_proxy_name = "service.kubernetes.io/service-proxy-name";
inline constexpr std::string_view label_zone = "topology.kubernetes.io/zone";
inline constexpr std::string_view annotation_algorithm = "naru.io/algorithm";
inline constexpr std::string_view annotation_weight = "naru.io/weight";
inline constexpr std::string_view annotation_forwarding = "naru.io/forwarding";
inline constexpr std::size_t longest_annotation = 64; ///< of a name; the rest is cut off
inline constexpr std::string_view annotation_initial_events_end = "k8s.io/initial-events-end";
inline constexpr std::string_view taint_autoscaler = "ToBeDeletedByClusterAutoscaler";

std::string_view kind_of(Resource resource);                  ///< "Service"
std::optional<Event::Type> event_type(std::string_view text); ///< "ADDED"

/// metadata of any object. Its texts are those of the bytes it was read from.
struct Metadata {
    ObjectKey key;
    std::string_view uid;
    std::string_view version;
    std::int64_t created_sec = 0;
    bool being_deleted = false;
    bool initial_events_end = false;
    std::optional<std::string_view> service_name, proxy_name, zone, algorithm, weight, forwarding;
    bool headless = false;

    void label(std::string_view name, std::string_view value);
    void annotation(std::string_view name, std::string_view value);
};

/// An object and what the watch needs of it.
struct Decoded {
    Metadata metadata;
    Object object;
};

void take(const Metadata& metadata, Service& service);
void take(const Metadata& metadata, EndpointSlice& slice);
void take(const Metadata& metadata, Node& node);

ServiceType service_type(std::string_view text);
TrafficPolicy traffic_policy(std::string_view text);
std::optional<Family> address_type(std::string_view text);
Protocol protocol(std::string_view text);
std::optional<Port> port(std::int64_t number);    ///< absent when it is none
std::uint32_t affinity_timeout(std::int64_t sec); ///< what is no number of seconds stays out of any range
std::optional<int> wait_of(std::int64_t sec);     ///< retryAfterSeconds; absent when there is nothing to wait
void add_address(std::vector<Address>& to,
                 std::string_view text); ///< "None", "" and what is no address: nothing
/// clusterIPs, or the older clusterIP where the list is empty.
void settle_cluster_ips(Service& service, std::string_view single);
void add_pod_cidr(Node& node, std::string_view text);
/// podCIDRs, or the older podCIDR where the list is empty.
void settle_pod_cidrs(Node& node, std::string_view single);

/// status.addresses: internal ones come first, each kind in the order of the object.
class NodeAddresses {
public:
    void add(std::string_view type, std::string_view address);
    std::vector<Address> take() &&;

private:
    std::vector<Address> internal_, external_;
};

/// Of an entry of status.loadBalancer.ingress: only what a balancer leaves to the nodes is served there.
bool leaves_to_balancer(std::string_view ip_mode);

} // namespace naru::kube
