// Flags and their checks: everything the agent may be told, as one value.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "datapath/options.hpp"
#include "model/node.hpp"
#include "model/relist_guard.hpp"
#include "model/result.hpp"
#include "source/kube/access.hpp"

namespace naru {

struct BindAddress {
    std::string host;
    std::uint16_t port = 0; ///< 0: do not listen
};

struct Config {
    std::filesystem::path manifests;    ///< empty: the API server is the source
    bool api_from_environment = false;  ///< KUBERNETES_SERVICE_HOST names the server
    std::optional<kube::Access> access; ///< how to reach it; absent with manifests and for --cleanup
    std::string node_name;
    DatapathOptions datapath;
    std::optional<std::set<std::string>> devices; ///< absent: auto
    ExternalIps external_ips;
    bool published_node_addresses = true;
    bool close_other_family = false; ///< what loadBalancerSourceRanges of one family do to the other
    Forwarding forwarding = Forwarding::snat;
    NodePortAddresses node_ports;
    RelistLimits relist_guard;
    std::string proxy_name; ///< own service-proxy-name; empty: the default proxy
    BindAddress healthz{"0.0.0.0", 10256};
    BindAddress metrics{"127.0.0.1", 10249};
    bool cleanup = false;
    int verbosity = 2;
    bool log_json = false;
};

/// What main does next.
struct CommandLine {
    Config config;
    std::optional<int> exit_code; ///< set: print `output` and leave with it (--help, --version, bad flags)
    std::string output;
};

/// Never exits, never prints. Bad flags give exit code 2 and one line that names the flag, what is wrong, and
/// the nearest known flag when it is unknown.
CommandLine parse_command_line(int argc, const char* const* argv);

} // namespace naru
