#include "config.hpp"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <functional>
#include <sstream>
#include <vector>

#include "flags.hpp"
#include "text.hpp"

namespace naru {

namespace {

using std::filesystem::path;

constexpr int bad_flags = 2;

/// Wherever a bpffs is mounted, and where the agent would mount one.
std::vector<path> bpffs_mounts()
{
    std::vector<path> out{"/sys/fs/bpf"};
    std::ifstream mounts{"/proc/self/mounts"};
    for (std::string line; std::getline(mounts, line);) {
        std::istringstream words{line};
        std::string source, target, type;
        if (words >> source >> target >> type && type == "bpf")
            out.emplace_back(target);
    }
    return out;
}

std::string host_name()
{
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string{name.data()} : std::string{};
}

/// A flag's text on its way into Config: CLI11 finds it, a function of flags.hpp says what it means.
struct Flag {
    std::string name;
    std::string given;
    std::function<Result<>(std::string_view)> take;
    CLI::Option* option = nullptr;
};

template <class T, class Parse>
auto into(T& target, Parse parse)
{
    return [&target, parse](std::string_view value) -> Result<> {
        auto parsed = parse(value);
        if (!parsed)
            return std::unexpected{parsed.error()};
        target = *parsed;
        return {};
    };
}

class Parser {
public:
    Parser()
    {
        app_.name("naru-agent")->allow_extras();
        app_.set_help_flag("-h,--help", "print this and exit");
        app_.add_flag("--version", version_, "print the version and exit");
        app_.add_flag("--cleanup", config_.cleanup,
                      "remove everything naru ever pinned or attached here, and exit");

        auto& datapath = config_.datapath;
        add("--manifests", "DIR", "folder of Kubernetes YAML: what to serve",
            into(config_.manifests, folder));
        add("--kubeconfig", "FILE", "how to reach the API server [the service account, in a pod]",
            into(kubeconfig_, file));
        add("--kubernetes-api", "URLS", "API servers instead of those named there, tried in order",
            into(api_servers_, flags::api_servers), true);
        add("--hostname-override", "NAME", "name of this node [host name]",
            into(config_.node_name, flags::node_name));
        add("--bpf-path", "DIR", "where maps, programs and links are pinned [/sys/fs/bpf/naru]",
            into(datapath.bpf_path, flags::absolute_path));
        add("--cgroup-path", "DIR", "where socket programs are attached [the cgroup v2 mount]",
            into(datapath.cgroup_path, flags::absolute_path));
        add("--devices", "auto|LIST", "uplinks to attach to [auto]", into(config_.devices, flags::devices),
            true);
        add("--external-ips", "on|off|CIDRS", "which spec.externalIPs are served [on]",
            into(config_.external_ips, flags::external_ips), true);
        add("--published-node-addresses", "on|off",
            "serve addresses of this node that a load balancer or externalIPs name [on]",
            into(config_.published_node_addresses, flags::on_off));
        add("--source-ranges-other-family", "open|closed",
            "a family of which loadBalancerSourceRanges hold no range [open]",
            into(config_.close_other_family, flags::closed));
        add("--socket-lb", "all|host|off", "whose sockets are served at connect() [all]",
            into(datapath.socket_lb, flags::socket_lb));
        add("--xdp", "auto|native|generic|off",
            "uplinks' fast path; auto: native where the driver can [auto]",
            into(datapath.xdp, flags::xdp_mode));
        add("--forwarding", "snat|dsr", "how packets from outside go on to backends of other nodes [snat]",
            into(config_.forwarding, flags::forwarding));
        add("--nodeport-addresses", "LIST",
            "CIDRs, primary, localhost, all: where nodePorts answer [primary]",
            into(config_.node_ports, flags::node_port_addresses), true);
        add("--service-proxy-name", "NAME", "serve Services with this label value [those without the label]",
            into(config_.proxy_name, flags::label_value));
        add("--relist-guard", "SHARE,COUNT|off",
            "what one list of the API server may take away at once [50%,10]",
            into(config_.relist_guard, flags::relist_guard), true);
        add("--healthz-bind-address", "ADDRESS", "/livez, /healthz and /readyz; empty: off [0.0.0.0:10256]",
            into(config_.healthz, flags::bind_address));
        add("--metrics-bind-address", "ADDRESS",
            "/metrics, /proxyMode and /configz; empty: off [127.0.0.1:10249]",
            into(config_.metrics, flags::bind_address));
        add("-v,--v", "N", "how much is logged, 0 to 10 [2]", into(config_.verbosity, flags::verbosity));
        add("--logging-format", "text|json", "how it is logged [text]",
            into(config_.log_json, flags::log_json));
    }

    CommandLine parse(const std::vector<std::string>& given)
    {
        auto words = with_values_apart(given);
        if (!words)
            return refuse(words.error().message());
        try {
            std::ranges::reverse(*words); // as CLI11 takes them
            app_.parse(*words);
        } catch (const CLI::CallForHelp&) {
            return leave(0, app_.help());
        } catch (const CLI::ParseError& wrong) {
            return refuse(wrong.what());
        }
        if (auto extras = app_.remaining(); !extras.empty())
            return refuse(unknown(extras.front()));
        if (version_)
            return leave(0, "naru-agent " NARU_VERSION "\n");
        for (auto& flag : flags_)
            if (flag.option->count() > 0)
                if (auto taken = flag.take(flag.given); !taken)
                    return refuse(flag.name + ": " + taken.error().message());
        if (auto checked = check(); !checked)
            return refuse(checked.error().message());
        return {std::move(config_), std::nullopt, {}};
    }

private:
    static Result<path> folder(std::string_view value)
    {
        if (value.empty())
            return error("the name of a folder is missing");
        return path{value};
    }

    static Result<path> file(std::string_view value)
    {
        if (value.empty())
            return error("the name of a file is missing");
        return path{value};
    }

    void add(const char* names, const char* placeholder, const char* help,
             std::function<Result<>(std::string_view)> take, bool list = false)
    {
        auto& flag = flags_.emplace_back();
        flag.take = std::move(take);
        flag.option = app_.add_option(names, flag.given, help)->option_text(placeholder);
        flag.name = flag.option->get_name();
        if (list)
            flag.option->delimiter(',')->multi_option_policy(CLI::MultiOptionPolicy::Join);
        else
            flag.option->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }

    /// --flag=value as two words: CLI11 would take the next word for the value of "--flag=". It would also
    /// take the next flag for the value of a flag without one.
    Result<std::vector<std::string>> with_values_apart(const std::vector<std::string>& words) const
    {
        std::vector<std::string> out;
        for (std::size_t i = 0; i < words.size(); ++i) {
            auto equals = words[i].find('=');
            auto name = words[i].substr(0, equals);
            bool wants_value =
                std::ranges::any_of(flags_, [&](const Flag& flag) { return flag.option->check_name(name); });
            if (!wants_value) {
                out.push_back(words[i]);
                continue;
            }
            if (equals == std::string::npos && (++i == words.size() || words[i].starts_with('-')))
                return error(name + ": its value is missing");
            out.push_back(name);
            out.push_back(equals == std::string::npos ? words[i] : words[i].substr(equals + 1));
        }
        return out;
    }

    /// What no flag can say alone.
    Result<> check()
    {
        if (auto found = find_source(); !found)
            return found;
        if (auto usable = flags::usable_pin_path(config_.datapath.bpf_path, bpffs_mounts()); !usable)
            return error("--bpf-path: " + usable.error().message());
        if (config_.node_name.empty()) {
            auto name = flags::node_name(host_name());
            if (!name)
                return error(name.error().message() +
                             " (it is the host name): give --hostname-override NAME");
            config_.node_name = *name;
        }
        return {};
    }

    /// Exactly one source: a folder, a kubeconfig, or the service account of a pod.
    Result<> find_source()
    {
        if (config_.cleanup)
            return {};
        if (!config_.manifests.empty()) {
            if (!kubeconfig_.empty() || !api_servers_.empty())
                return error("--manifests and an API server are two sources: give one of them");
            return {};
        }
        if (kubeconfig_.empty() && !kube::in_cluster())
            return error("no source of Services: give --kubeconfig FILE or --manifests DIR, or mount the "
                         "service account token in a pod");
        auto access = kubeconfig_.empty() ? kube::in_cluster_access(std::getenv("KUBERNETES_SERVICE_HOST"),
                                                                    std::getenv("KUBERNETES_SERVICE_PORT"))
                                          : kube::read_kubeconfig(kubeconfig_);
        if (!access)
            return std::unexpected{access.error()};
        if (!api_servers_.empty())
            access->servers = api_servers_;
        config_.api_from_environment = kubeconfig_.empty() && api_servers_.empty();
        if (access->servers.empty())
            return error("no API server is known: give --kubernetes-api URL");
        const bool secret = access->token.given() || access->client_key.given();
        for (const auto& server : access->servers)
            if (!server.tls && secret)
                return error(server.text() + " would get the credentials in clear text: give an https URL");
        config_.access = std::move(*access);
        return {};
    }

    std::string unknown(const std::string& word) const
    {
        if (!word.starts_with('-'))
            return fmt::format("\"{}\" belongs to no flag", word);
        std::vector<std::string> known;
        for (const auto* option : app_.get_options())
            for (const auto& name : option->get_lnames())
                known.push_back("--" + name);
        auto name = word.substr(0, word.find('='));
        auto meant = flags::nearest(name, known);
        return meant ? fmt::format("there is no flag {}; did you mean {}?", name, *meant)
                     : fmt::format("there is no flag {}; --help lists them", name);
    }

    static CommandLine leave(int code, std::string output) { return {{}, code, std::move(output)}; }
    static CommandLine refuse(const std::string& why)
    {
        return leave(bad_flags, "naru-agent: " + escaped(why) + '\n');
    }

    CLI::App app_{"Service load balancer for Kubernetes nodes"};
    Config config_;
    path kubeconfig_;
    std::vector<kube::Url> api_servers_;
    bool version_ = false;
    std::deque<Flag> flags_; ///< CLI11 keeps references
};

} // namespace

CommandLine parse_command_line(int argc, const char* const* argv)
{
    return Parser{}.parse({argv + std::min(argc, 1), argv + argc});
}

} // namespace naru
