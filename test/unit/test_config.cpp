#include <catch2/catch.hpp>

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include "config.hpp"

using namespace naru;

namespace {

CommandLine parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "naru-agent");
    return parse_command_line(static_cast<int>(words.size()), words.data());
}

Config config(const std::vector<const char*>& words)
{
    auto line = parse(words);
    INFO(line.output);
    REQUIRE_FALSE(line.exit_code);
    return line.config;
}

/// The one line of a refusal.
std::string refusal(const std::vector<const char*>& words)
{
    auto line = parse(words);
    CHECK(line.exit_code == 2);
    CHECK(std::ranges::count(line.output, '\n') == 1);
    CHECK(line.output.starts_with("naru-agent: "));
    return line.output;
}

} // namespace

TEST_CASE("one flag is enough, the rest has its documented default")
{
    auto got = config({"--manifests", "shop"});
    CHECK(got.manifests == "shop");
    CHECK_FALSE(got.node_name.empty());
    CHECK(got.datapath.bpf_path == "/sys/fs/bpf/naru");
    CHECK(got.datapath.cgroup_path.empty());
    CHECK(got.datapath.socket_lb == SocketLb::all);
    CHECK(got.datapath.xdp == XdpMode::automatic);
    CHECK_FALSE(got.devices);
    CHECK(got.external_ips == ExternalIps{});
    CHECK(got.published_node_addresses);
    CHECK_FALSE(got.close_other_family);
    CHECK(got.node_ports == NodePortAddresses{});
    CHECK((got.healthz.host == "0.0.0.0" && got.healthz.port == 10256));
    CHECK((got.metrics.host == "127.0.0.1" && got.metrics.port == 10249));
    CHECK_FALSE(got.cleanup);
    CHECK(got.verbosity == 2);
    CHECK_FALSE(got.log_json);
}

TEST_CASE("every flag takes its value as the next word")
{
    auto got = config({"--manifests",
                       "/m",
                       "--hostname-override",
                       "Node-A",
                       "--bpf-path",
                       "/sys/fs/bpf/a/",
                       "--cgroup-path",
                       "/sys/fs/cgroup/x",
                       "--devices",
                       "eth0,eth1",
                       "--external-ips",
                       "off",
                       "--published-node-addresses",
                       "off",
                       "--source-ranges-other-family",
                       "closed",
                       "--socket-lb",
                       "host",
                       "--forwarding",
                       "dsr",
                       "--nodeport-addresses",
                       "all",
                       "--healthz-bind-address",
                       "[::]:1",
                       "--metrics-bind-address",
                       "127.0.0.1:2",
                       "-v",
                       "4",
                       "--logging-format",
                       "json"});
    CHECK(got.node_name == "node-a");
    CHECK(got.datapath.bpf_path == "/sys/fs/bpf/a");
    CHECK(got.datapath.cgroup_path == "/sys/fs/cgroup/x");
    CHECK(got.devices == std::set<std::string>{"eth0", "eth1"});
    CHECK_FALSE(got.external_ips.on);
    CHECK_FALSE(got.published_node_addresses);
    CHECK(got.close_other_family);
    CHECK(got.datapath.socket_lb == SocketLb::host);
    CHECK(got.forwarding == Forwarding::dsr);
    CHECK((got.node_ports.all && !got.node_ports.primary));
    CHECK((got.healthz.host == "::" && got.healthz.port == 1));
    CHECK(got.metrics.port == 2);
    CHECK(got.verbosity == 4);
    CHECK(got.log_json);
}

TEST_CASE("every flag takes its value behind an equals sign, an empty one too")
{
    auto got = config({"--manifests=/m=n", "--metrics-bind-address=", "--healthz-bind-address", "", "--v=5",
                       "--devices=auto", "--socket-lb=off", "--xdp=generic"});
    CHECK(got.manifests == "/m=n");
    CHECK(got.metrics.port == 0);
    CHECK(got.healthz.port == 0);
    CHECK(got.verbosity == 5);
    CHECK_FALSE(got.devices);
    CHECK(got.datapath.socket_lb == SocketLb::off);
    CHECK(got.datapath.xdp == XdpMode::generic);
}

TEST_CASE("of a repeated flag the last counts, of a repeated list all do")
{
    auto got = config({"--manifests", "a", "--manifests=b", "--devices=eth0", "--devices", "eth1,eth2"});
    CHECK(got.manifests == "b");
    CHECK(got.devices == std::set<std::string>{"eth0", "eth1", "eth2"});
}

TEST_CASE("without a source there is nothing to do but clean up")
{
    CHECK(refusal({}) ==
          "naru-agent: no source of Services: give --kubeconfig FILE or --manifests DIR, or mount the "
          "service account token in a pod\n");
    CHECK(refusal({"--manifests="}) == "naru-agent: --manifests: the name of a folder is missing\n");
    CHECK(config({"--cleanup"}).cleanup);
}

TEST_CASE("a folder and an API server are two sources")
{
    const auto two = "naru-agent: --manifests and an API server are two sources: give one of them\n";
    CHECK(refusal({"--manifests", "/m", "--kubeconfig", "x"}) == two);
    CHECK(refusal({"--manifests", "/m", "--kubernetes-api", "https://10.0.0.1:6443"}) == two);
}

TEST_CASE("a kubeconfig is read at once, and other servers may take the place of its own")
{
    const auto file = std::filesystem::temp_directory_path() / ("naru-config-" + std::to_string(::getpid()));
    std::ofstream{file} << "current-context: a\n"
                           "contexts: [{name: a, context: {cluster: b, user: c}}]\n"
                           "clusters: [{name: b, cluster: {server: \"https://10.0.0.9:6443\"}}]\n"
                           "users: [{name: c, user: {token: secret}}]\n";
    const auto name = file.string();
    auto plain = config({"--kubeconfig", name.c_str()});
    REQUIRE(plain.access);
    CHECK(plain.access->servers.front().text() == "https://10.0.0.9:6443");
    auto others =
        config({"--kubeconfig", name.c_str(), "--kubernetes-api=https://10.0.0.1:6443,https://[fd00::1]"});
    REQUIRE(others.access);
    CHECK(others.access->servers.size() == 2);
    CHECK(others.access->servers.back().text() == "https://[fd00::1]:443");
    CHECK(refusal({"--kubeconfig", name.c_str(), "--kubernetes-api=http://10.0.0.1"})
              .contains("in clear text"));
    std::filesystem::remove(file);
    CHECK(refusal({"--kubeconfig", name.c_str()}).contains("No such file"));
}

TEST_CASE("an unknown flag is answered with the nearest one")
{
    CHECK(refusal({"--manifest=/m"}) ==
          "naru-agent: there is no flag --manifest; did you mean --manifests?\n");
    CHECK(refusal({"--manifests", "/m", "--hostname-overide", "x"}) ==
          "naru-agent: there is no flag --hostname-overide; did you mean --hostname-override?\n");
    CHECK(refusal({"--manifests", "/m", "--nothing-like-it", "x"}) ==
          "naru-agent: there is no flag --nothing-like-it; --help lists them\n");
    CHECK(refusal({"--manifests", "/m", "extra\n"}) == "naru-agent: \"extra\\x0a\" belongs to no flag\n");
}

TEST_CASE("a bad value is told with its flag")
{
    CHECK(refusal({"--manifests", "/m", "--socket-lb", "some"}) ==
          "naru-agent: --socket-lb: \"some\" is none of all, host, off\n");
    CHECK(refusal({"--manifests", "/m", "-v", "many"})
              .starts_with("naru-agent: --v: \"many\" is not a number"));
    CHECK(refusal({"--manifests", "/m", "--bpf-path", "/sys/fs/bpf/naru/v1.0"}) ==
          "naru-agent: --bpf-path: bpffs takes no name with a dot: rename \"v1.0\" in "
          "\"/sys/fs/bpf/naru/v1.0\"\n");
}

TEST_CASE("a flag without its value does not swallow the next one")
{
    CHECK(refusal({"--manifests"}) == "naru-agent: --manifests: its value is missing\n");
    CHECK(refusal({"--manifests", "/m", "-v"}) == "naru-agent: -v: its value is missing\n");
    CHECK(refusal({"--devices", "--cleanup"}) == "naru-agent: --devices: its value is missing\n");
}

TEST_CASE("help and version end well whatever else is wrong")
{
    for (const char* flag : {"--help", "-h", "--version"}) {
        auto line = parse({flag});
        CHECK(line.exit_code == 0);
    }
    CHECK(parse({"--version"}).output.starts_with("naru-agent "));
    auto help = parse({"--help", "--socket-lb", "some"}).output;
    for (const char* flag : {"--manifests DIR", "--hostname-override", "--bpf-path", "--cgroup-path",
                             "--devices", "--external-ips", "--socket-lb", "--forwarding snat|dsr",
                             "--nodeport-addresses", "--healthz-bind-address", "--metrics-bind-address",
                             "--cleanup", "-v", "--logging-format", "--version", "--help"})
        CHECK(help.contains(flag));
}
