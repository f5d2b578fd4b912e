#include "tables.hpp"

#include "algorithm.hpp"

#include <algorithm>
#include <string_view>

namespace naru {

namespace {

std::string_view word(Scope scope) { return scope == Scope::cluster ? "cluster" : "local"; }
std::string_view word(Family family) { return family == Family::v4 ? "v4" : "v6"; }

std::string_view word(lb_frontend_kind kind)
{
    switch (kind) {
    case LB_KIND_CLUSTER_IP:
        return "ClusterIP";
    case LB_KIND_NODE_PORT:
        return "NodePort";
    case LB_KIND_LOAD_BALANCER:
        return "LoadBalancer";
    case LB_KIND_EXTERNAL_IP:
        return "ExternalIP";
    }
    return "?";
}

std::string_view word(lb_service_type type)
{
    switch (type) {
    case LB_TYPE_CLUSTER_IP:
        return "ClusterIP";
    case LB_TYPE_NODE_PORT:
        return "NodePort";
    case LB_TYPE_LOAD_BALANCER:
        return "LoadBalancer";
    }
    return "?";
}

/// "10.0.0.1:80 chosen local": every row is serving, so that is not said.
void append(std::string& out, const Backend& backend)
{
    out += backend.at.text();
    if (backend.chosen)
        out += " chosen";
    if (backend.local)
        out += " local";
    if (backend.terminating)
        out += " terminating";
    if (!backend.serving)
        out += " unusable";
    if (backend.weight != 1)
        out += " weight " + std::to_string(backend.weight);
}

void append(std::string& out, const ServiceId& id, const ServiceRow& row)
{
    out.append("service ").append(id.text()).append(" type ").append(word(row.type));
    if (row.affinity_timeout_sec)
        out += " affinity " + std::to_string(row.affinity_timeout_sec) + "s";
    if (row.algorithm != LB_ALGORITHM_DEFAULT)
        out.append(" algorithm ").append(name_of(row.algorithm));
    if (row.forwarding != Forwarding::snat)
        out.append(" forwarding ").append(name_of(row.forwarding));
    if (row.drop_if_empty)
        out += " drop-if-empty";
    for (std::string_view before = " admits "; const auto& range : row.source_ranges) {
        out.append(before).append(range.text());
        before = ",";
    }
    for (std::string_view before = ": "; const auto& backend : row.backends) {
        out += before;
        append(out, backend);
        before = ", ";
    }
    out += '\n';
}

void append(std::string& out, const FrontendKey& key, const FrontendRow& row)
{
    out.append("frontend ").append(key.text());
    if (!key.protocol) {
        out += " wildcard\n";
        return;
    }
    out.append(" ").append(word(row.kind));
    if (row.host_only)
        out += " host-only";
    if (row.node_address)
        out += " node-address";
    if (row.ranges)
        out += " ranges";
    if (row.admits_node)
        out += " admits-node";
    auto name = [](const auto& id) { return id ? id->text() : "nothing"; };
    if (row.inside == row.outside)
        out += " -> " + name(row.inside);
    else
        out += " -> inside " + name(row.inside) + ", outside " + name(row.outside);
    out += '\n';
}

} // namespace

std::string ServiceId::text() const
{
    std::string out = key.text();
    if (!port_name.empty())
        out.append(":").append(port_name);
    out.append("/").append(naru::text(protocol));
    return out.append(" ").append(word(family)).append(" ").append(word(scope));
}

std::size_t ServiceId::Hash::operator()(const ServiceId& id) const
{
    auto hash = ObjectKey::Hash{}(id.key); // without the uid: hardly ever do two share a name
    for (auto part : {id.port_name.hash(), static_cast<std::size_t>(id.protocol),
                      static_cast<std::size_t>(id.family), static_cast<std::size_t>(id.scope)})
        hash = hash * 31 + part;
    return hash;
}

std::string FrontendKey::text() const
{
    if (protocol)
        return SocketAddress{address, port}.text().append("/").append(naru::text(*protocol));
    auto exact = SocketAddress{address, port}.text();
    return exact.substr(0, exact.rfind(':')) + ":*";
}

std::set<ObjectKey> services_in(const Tables& tables)
{
    std::set<ObjectKey> keys;
    for (const auto& [id, _] : tables.services)
        keys.insert(id.key);
    return keys;
}

std::set<ObjectKey> services_with_backends(const Tables& tables)
{
    std::set<ObjectKey> keys;
    for (const auto& [id, row] : tables.services)
        if (!row.backends.empty())
            keys.insert(id.key);
    return keys;
}

std::string render(const Tables& tables)
{
    std::vector<ServiceId> ids;
    for (const auto& [id, _] : tables.services)
        ids.push_back(id);
    std::ranges::sort(ids);
    std::string out;
    for (const auto& id : ids)
        append(out, id, tables.services.at(id));
    for (const auto& [key, row] : tables.frontends)
        append(out, key, row);
    return out;
}

} // namespace naru
