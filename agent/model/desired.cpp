#include "desired.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "algorithm.hpp"
#include "source_ranges.hpp"
#include "weights.hpp"

namespace naru {

namespace {

constexpr std::uint32_t default_affinity_sec = 10800; // v1.DefaultClientIPServiceAffinitySeconds
constexpr std::uint32_t longest_affinity_sec = 86400; // v1.MaxClientIPServiceAffinitySeconds
constexpr std::size_t longest_quote = 32;             // of what a user wrote; all of it may be 256 KiB

/// A backend set for each side of a frontend.
struct Sides {
    const ServiceId& inside;
    const ServiceId& outside;
};

bool is_ours(const Service& service, const NodeView& view)
{
    if (service.type == ServiceType::external_name || service.headless_label)
        return false;
    return view.proxy_name.empty() ? !service.proxy_name : service.proxy_name == view.proxy_name;
}

lb_service_type raw_type(ServiceType type)
{
    switch (type) {
    case ServiceType::node_port:
        return LB_TYPE_NODE_PORT;
    case ServiceType::load_balancer:
        return LB_TYPE_LOAD_BALANCER;
    case ServiceType::cluster_ip:
    case ServiceType::external_name:
        break;
    }
    return LB_TYPE_CLUSTER_IP;
}

/// Keeps only what sorts first of a set that is larger than a block can be, chosen ones before others.
void limit(std::vector<Backend>& backends)
{
    std::ranges::stable_partition(backends, &Backend::chosen);
    backends.resize(LB_MAX_ROWS);
    std::ranges::sort(backends);
}

bool names_twice(const EndpointSlice& slice, const ServicePort& port)
{
    return std::ranges::count_if(slice.ports, [&](const EndpointPort& p) {
               return p.protocol == port.protocol && p.name == port.name;
           }) > 1;
}

/// Expands one Service, port by port and family by family.
class Expansion {
public:
    Expansion(const Service& service, std::span<const EndpointSlice* const> slices, const NodeView& view)
        : service_{service}, slices_{slices}, view_{view},
          source_ranges_{service.type == ServiceType::load_balancer ? service.source_ranges
                                                                    : std::vector<std::string>{}}
    {
    }

    Desired run() &&
    {
        for (const auto& port : service_.ports)
            check(port);
        check_slices();
        affinity_sec_ = affinity();
        algorithm_ = algorithm();
        forwarding_ = forwarding();
        check_ranges();
        check_health();
        publishes_nodes_ = publishes_nodes();
        for (auto family : {Family::v4, Family::v6}) {
            auto cluster_ip = std::ranges::find(service_.cluster_ips, family, &Address::family);
            if (cluster_ip != service_.cluster_ips.end())
                expand(family, *cluster_ip);
        }
        if (refused_endpoints_)
            tell("EndpointRefused",
                 std::to_string(refused_endpoints_) +
                     " endpoint addresses are not used: wrong family, loopback, unspecified, "
                     "link-local, multicast or broadcast");
        for (auto& [id, row] : services_)
            desired_.services.try_emplace(id, std::move(row));
        for (auto& [key, claim] : claims_)
            desired_.claims.try_emplace(key, std::move(claim));
        return std::move(desired_);
    }

private:
    void tell(std::string reason, std::string message)
    {
        Notice notice{service_.key, std::move(reason), std::move(message)};
        if (std::ranges::find(desired_.notices, notice) == desired_.notices.end())
            desired_.notices.push_back(std::move(notice));
    }

    void check(const ServicePort& port)
    {
        if (port.port.host == 0)
            tell("InvalidPort", "port \"" + port.name + "\" is not served: 0 is not a port");
        else if (!port_names_.emplace(port.name, port.protocol).second)
            tell("DuplicatePort", "port \"" + port.name + "\" is there twice, the first one counts");
        else
            ports_.push_back(&port);
    }

    void check_slices()
    {
        for (const auto* port : ports_)
            if (std::ranges::any_of(slices_,
                                    [&](const EndpointSlice* slice) { return names_twice(*slice, *port); }))
                tell("DuplicatePort",
                     "port \"" + port->name + "\" is there twice in an EndpointSlice, the first one counts");
        for (const auto* slice : slices_)
            if (auto weights = Weights::parse(slice->weights); !weights)
                tell("InvalidWeight", "naru.io/weight of EndpointSlice " + slice->key.text() + ": " +
                                          weights.error() + ", the annotation is ignored");
    }

    std::uint32_t affinity()
    {
        if (!service_.client_ip_affinity)
            return 0;
        auto timeout = service_.affinity_timeout_sec.value_or(default_affinity_sec);
        if (timeout >= 1 && timeout <= longest_affinity_sec)
            return timeout;
        tell("InvalidAffinityTimeout", "timeoutSeconds " + std::to_string(timeout) + " is not in 1.." +
                                           std::to_string(longest_affinity_sec) + ", " +
                                           std::to_string(default_affinity_sec) + " is used");
        return default_affinity_sec;
    }

    lb_algorithm algorithm()
    {
        if (!service_.algorithm)
            return LB_ALGORITHM_DEFAULT;
        if (auto named = algorithm_named(*service_.algorithm))
            return *named;
        tell("UnknownAlgorithm", "naru.io/algorithm: \"" + service_.algorithm->substr(0, longest_quote) +
                                     "\" is none of " + all_algorithms() + ", it is ignored");
        return LB_ALGORITHM_DEFAULT;
    }

    Forwarding forwarding()
    {
        if (!service_.forwarding)
            return view_.forwarding;
        if (auto named = forwarding_named(*service_.forwarding))
            return *named;
        tell("UnknownForwarding", "naru.io/forwarding: \"" + service_.forwarding->substr(0, longest_quote) +
                                      "\" is neither snat nor dsr, it is ignored");
        return view_.forwarding;
    }

    void check_ranges()
    {
        for (const auto& written : source_ranges_.invalid())
            tell("InvalidSourceRange",
                 "loadBalancerSourceRanges: \"" + written + "\" is not a CIDR, it is ignored");
        if (source_ranges_.admits_nobody())
            tell("InvalidSourceRange", "loadBalancerSourceRanges holds no valid CIDR: nobody is admitted");
    }

    void check_health()
    {
        if (service_.type == ServiceType::load_balancer && service_.external_policy == TrafficPolicy::local &&
            service_.health_check_node_port.host)
            desired_.health_check = HealthCheck{
                service_.health_check_node_port, service_.created_sec, std::string{service_.uid}, {}};
    }

    /// A balancer that publishes this node's address publishes nodes' addresses: the others in its list are
    /// taken for such, too, although only the own Node is known.
    bool publishes_nodes() const
    {
        const auto& nodes_own = view_.node.addresses; // an interface may carry a balancer's address too
        return std::ranges::any_of(service_.ingress, [&](const Ingress& ingress) {
            return ingress.ip && !ingress.proxy && !ingress.ip->why_unservable() &&
                   std::ranges::find(nodes_own, *ingress.ip) != nodes_own.end();
        });
    }

    bool serves_ingress(const Ingress& ingress, Family family) const
    {
        return ingress.ip && !ingress.proxy && ingress.ip->family() == family;
    }

    bool has_ingress(Family family) const
    {
        return std::ranges::any_of(service_.ingress,
                                   [&](const Ingress& i) { return serves_ingress(i, family); });
    }

    void expand(Family family, const Address& cluster_ip)
    {
        ready_here_.clear();
        std::set<Address> node_ports;
        if (service_.type == ServiceType::node_port || service_.type == ServiceType::load_balancer)
            node_ports = view_.node_port_addresses(family);
        auto filter = source_ranges_.filter(family, view_.node);
        if (!source_ranges_.empty() && !filter.on) {
            filter.on = view_.close_other_family;
            if (has_ingress(family))
                tell("SourceRangesOtherFamily",
                     std::string{"loadBalancerSourceRanges holds no "} +
                         (family == Family::v4 ? "IPv4" : "IPv6") + " range: " +
                         (filter.on ? "nobody of that family is admitted" : "that family is not filtered"));
        }

        for (const auto* port : ports_) {
            ServiceId cluster{service_.key, service_.uid, port->name, port->protocol, family, Scope::cluster};
            auto local = cluster;
            local.scope = Scope::local;
            bool internal_local = service_.internal_policy == TrafficPolicy::local;
            bool external_local = service_.external_policy == TrafficPolicy::local;
            const auto& internal = internal_local ? local : cluster;

            claim({cluster_ip, port->port, port->protocol}, LB_KIND_CLUSTER_IP, {internal, internal}, {});
            bool external = claim_external(*port, family, node_ports,
                                           {cluster, external_local ? local : cluster}, filter);
            add_services(cluster, internal_local || external ? &local : nullptr, filter.admitted);
        }
        if (desired_.health_check)
            desired_.health_check->ready_here[family] = ready_here_.size();
    }

    /// Whether the port has any frontend besides its ClusterIP.
    bool claim_external(const ServicePort& port, Family family, const std::set<Address>& node_ports,
                        const Sides& sides, const Filter& filter)
    {
        bool any = false;
        if (port.node_port.host)
            for (const auto& address : node_ports)
                any |= claim({address, port.node_port, port.protocol}, LB_KIND_NODE_PORT, sides, {});
        if (service_.type == ServiceType::load_balancer)
            for (const auto& ingress : service_.ingress)
                if (serves_ingress(ingress, family))
                    any |=
                        claim({*ingress.ip, port.port, port.protocol}, LB_KIND_LOAD_BALANCER, sides, filter);
        for (const auto& address : service_.external_ips)
            if (address.family() == family && may_be_external_ip(address))
                any |= claim({address, port.port, port.protocol}, LB_KIND_EXTERNAL_IP, sides, {});
        return any;
    }

    bool may_be_external_ip(const Address& address)
    {
        const auto& allowed = view_.external_ips;
        if (allowed.on && (allowed.only.empty() || inside_any(allowed.only, address)))
            return true;
        tell("FrontendRefused",
             "externalIP " + address.text() + " is not served: --external-ips does not allow it");
        return false;
    }

    /// What is true of one node only names it: everything else is told once for all nodes.
    std::optional<std::string> why_refused(const Address& address, lb_frontend_kind kind) const
    {
        if (kind == LB_KIND_NODE_PORT)
            return std::nullopt;
        if (const char* unservable = address.why_unservable())
            return address.text() + " is not served: " + unservable + " address";
        if (kind != LB_KIND_CLUSTER_IP && inside_any(view_.node.pod_cidrs, address))
            return address.text() + " is not served by node " + view_.node.name +
                   ": it belongs to the pods of that node";
        if (kind != LB_KIND_CLUSTER_IP && !view_.published_node_addresses &&
            std::ranges::count(view_.node.addresses, address))
            return address.text() + " is not served by node " + view_.node.name +
                   ": it is an address of that node (--published-node-addresses off)";
        return std::nullopt;
    }

    /// Within one Service too, the kind decides who has the key, then the order of the ports.
    bool claim(const FrontendKey& key, lb_frontend_kind kind, const Sides& sides, const Filter& filter)
    {
        if (auto refused = why_refused(key.address, kind)) {
            tell("FrontendRefused", *refused);
            return false;
        }
        auto [at, added] = claims_.try_emplace(key);
        auto& claim = at->second;
        if (!added && claim.row.kind <= kind)
            return false;
        claim.row = {.kind = kind,
                     .inside = sides.inside,
                     .outside = sides.outside,
                     .host_only = key.address.is_loopback(),
                     .node_address = kind == LB_KIND_NODE_PORT || view_.owns(key.address) ||
                                     (kind == LB_KIND_LOAD_BALANCER && publishes_nodes_),
                     .ranges = filter.on,
                     .admits_node = filter.admits_node};
        claim.owner = service_.key;
        claim.created_sec = service_.created_sec;
        claim.uid = service_.uid;
        return true;
    }

    /// The local set exists wherever a flip of a policy could need it, so that flows survive the flip.
    void add_services(const ServiceId& cluster, const ServiceId* local, const std::vector<Cidr>& admitted)
    {
        auto selected =
            select_endpoints(slices_, cluster.port_name, cluster.protocol, cluster.family, view_.node);
        refused_endpoints_ = std::max(refused_endpoints_, selected.refused);
        if (desired_.health_check && selected.ready_here)
            for (const auto& backend : selected.local)
                if (backend.chosen)
                    ready_here_.insert(backend.at.address);
        if (selected.cluster.size() > LB_MAX_ROWS) {
            tell("TooManyEndpoints", std::to_string(selected.cluster.size()) + " endpoints, only " +
                                         std::to_string(LB_MAX_ROWS) + " are used");
            limit(selected.cluster);
            limit(selected.local);
        }

        ServiceRow row{.backends = selected.cluster,
                       .affinity_timeout_sec = affinity_sec_,
                       .algorithm = algorithm_,
                       // What is inside an outer header is read as TCP or UDP only.
                       .forwarding = cluster.protocol == Protocol::sctp
                                         ? Forwarding::snat
                                         : possible(forwarding_, selected.cluster),
                       .type = raw_type(service_.type),
                       .source_ranges = has_ingress(cluster.family) ? admitted : std::vector<Cidr>{}};
        if (local) {
            bool none_here = std::ranges::none_of(selected.local, &Backend::chosen);
            services_.try_emplace(*local, ServiceRow{.backends = selected.local,
                                                     .affinity_timeout_sec = affinity_sec_,
                                                     .drop_if_empty = none_here && selected.any_usable,
                                                     .algorithm = algorithm_,
                                                     .forwarding = Forwarding::snat, // none is elsewhere
                                                     .type = row.type,
                                                     .source_ranges = {}});
        }
        services_.try_emplace(cluster, std::move(row));
    }

    const Service& service_;
    std::span<const EndpointSlice* const> slices_;
    const NodeView& view_;
    SourceRanges source_ranges_;
    std::vector<const ServicePort*> ports_;
    std::set<std::pair<Name, Protocol>> port_names_;
    std::uint32_t affinity_sec_ = 0;
    lb_algorithm algorithm_ = LB_ALGORITHM_DEFAULT;
    Forwarding forwarding_ = Forwarding::snat;
    bool publishes_nodes_ = false;
    std::set<Address> ready_here_;   ///< of one family: its ports share their endpoints
    unsigned refused_endpoints_ = 0; ///< of the port that has most: ports share their endpoints
    // They come in the order of ports; a flat map is filled in its own.
    std::map<ServiceId, ServiceRow> services_;
    std::map<FrontendKey, Claim> claims_;
    Desired desired_;
};

} // namespace

Desired desired(const Service& service, std::span<const EndpointSlice* const> slices, const NodeView& view)
{
    if (!is_ours(service, view) || service.cluster_ips.empty())
        return {};
    return Expansion{service, slices, view}.run();
}

} // namespace naru
