#include "configz.hpp"

#include <utility>
#include <vector>

#include <fmt/format.h>

#include "text.hpp"

namespace naru {

namespace {

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ",")); }

void append(std::vector<std::string>& words, const std::vector<Cidr>& networks)
{
    for (const auto& each : networks)
        words.push_back(each.text());
}

std::string text(const NodePortAddresses& addresses)
{
    std::vector<std::string> words;
    if (addresses.primary)
        words.push_back("primary");
    if (addresses.localhost)
        words.push_back("localhost");
    if (addresses.all)
        words.push_back("all");
    append(words, addresses.cidrs);
    return joined(words);
}

std::string text(const ExternalIps& ips)
{
    if (!ips.on)
        return "off";
    std::vector<std::string> words;
    append(words, ips.only);
    return words.empty() ? "on" : joined(words);
}

std::string text(SocketLb mode)
{
    switch (mode) {
    case SocketLb::host:
        return "host";
    case SocketLb::off:
        return "off";
    case SocketLb::all:
        break;
    }
    return "all";
}

std::string text(XdpMode mode)
{
    switch (mode) {
    case XdpMode::native:
        return "native";
    case XdpMode::generic:
        return "generic";
    case XdpMode::off:
        return "off";
    case XdpMode::automatic:
        break;
    }
    return "auto";
}

std::string text(const BindAddress& at)
{
    const bool v4 = at.host.find(':') == std::string::npos;
    return v4 ? fmt::format("{}:{}", at.host, at.port) : fmt::format("[{}]:{}", at.host, at.port);
}

/// Never more than the servers: the rest of it is secret.
std::string servers(const std::optional<kube::Access>& access)
{
    std::vector<std::string> words;
    if (access)
        for (const auto& each : access->servers)
            words.push_back(each.text());
    return joined(words);
}

} // namespace

std::string to_json(const Config& config)
{
    const auto& datapath = config.datapath;
    const std::vector<std::pair<std::string, std::string>> texts{
        {"manifests", config.manifests.string()},
        {"kubernetes-api", servers(config.access)},
        {"service-proxy-name", config.proxy_name},
        {"relist-guard", config.relist_guard.text()},
        {"hostname-override", config.node_name},
        {"bpf-path", datapath.bpf_path.string()},
        {"cgroup-path", datapath.cgroup_path.string()},
        {"devices", config.devices ? joined({config.devices->begin(), config.devices->end()}) : "auto"},
        {"external-ips", text(config.external_ips)},
        {"published-node-addresses", config.published_node_addresses ? "on" : "off"},
        {"source-ranges-other-family", config.close_other_family ? "closed" : "open"},
        {"forwarding", std::string{name_of(config.forwarding)}},
        {"nodeport-addresses", text(config.node_ports)},
        {"socket-lb", text(datapath.socket_lb)},
        {"xdp", text(datapath.xdp)},
        {"healthz-bind-address", text(config.healthz)},
        {"metrics-bind-address", text(config.metrics)},
        {"logging-format", config.log_json ? "json" : "text"},
    };
    std::string out = "{";
    for (const auto& [key, value] : texts)
        out += json_string(key) + ':' + json_string(value) + ',';
    return out + fmt::format(R"("v":{},"seed":{},"arena-bytes":{}}})", config.verbosity, datapath.seed,
                             datapath.arena_bytes);
}

} // namespace naru
