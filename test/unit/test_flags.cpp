#include <catch2/catch.hpp>

#include "flags.hpp"

using namespace naru;

namespace {

Cidr network(const char* text) { return *Cidr::parse(text); }

template <class T>
bool refused(const Result<T>& result, std::string_view part)
{
    return !result && result.error().message().contains(part);
}

} // namespace

TEST_CASE("node names are trimmed and in lower case")
{
    CHECK(flags::node_name(" Node-1.Example\n") == "node-1.example");
    CHECK(refused(flags::node_name("  "), "empty"));
    CHECK(refused(flags::node_name("node_1"), "no node name"));
    CHECK(refused(flags::node_name(std::string(254, 'a')), "no node name"));
}

TEST_CASE("API servers are a list of URLs")
{
    const auto urls = flags::api_servers("https://10.0.0.1:6443, https://[fd00::1]").value();
    CHECK(urls.size() == 2);
    CHECK(urls.back().text() == "https://[fd00::1]:443");
    for (const char* wrong : {"", "10.0.0.1:6443", "https://a,", "ftp://a"})
        CHECK(refused(flags::api_servers(wrong), "no URL such as"));
}

TEST_CASE("a proxy name is what a label may have as its value")
{
    CHECK(flags::label_value("other.proxy_1") == "other.proxy_1");
    for (const char* wrong : {"", "-a", "a-", "a b", "a/b"})
        CHECK(refused(flags::label_value(wrong), "no value a label may have"));
    CHECK(refused(flags::label_value(std::string(64, 'a')), "no value a label may have"));
}

TEST_CASE("devices are found by themselves or listed")
{
    using Names = std::set<std::string>;
    CHECK_FALSE(flags::devices("auto").value());
    CHECK(flags::devices("eth0, eth1,eth0").value() == Names{"eth0", "eth1"});
    for (const char* wrong : {"", "eth0,", "eth/0", "name-of-16-bytes", "..", "auto, eth 0"})
        CHECK(refused(flags::devices(wrong), "no name of an interface"));
}

TEST_CASE("external addresses are served, refused or restricted to networks")
{
    CHECK(flags::external_ips("on").value() == ExternalIps{});
    CHECK_FALSE(flags::external_ips("off").value().on);
    CHECK(flags::external_ips("203.0.113.7/24,fd00::/8").value() ==
          ExternalIps{true, {network("203.0.113.0/24"), network("fd00::/8")}});
    CHECK(refused(flags::external_ips("on,off"), "\"on\" is neither"));
    CHECK(refused(flags::external_ips("203.0.113.7"), "a network such as"));
    CHECK(refused(flags::external_ips(""), "neither on, off"));
}

TEST_CASE("a choice of two takes its two words and no other")
{
    CHECK(flags::on_off("on").value());
    CHECK_FALSE(flags::on_off("off").value());
    CHECK(refused(flags::on_off("true"), "\"true\" is neither on nor off"));
    CHECK(flags::closed("closed").value());
    CHECK_FALSE(flags::closed("open").value());
    CHECK(refused(flags::closed("off"), "\"off\" is neither open nor closed"));
}

TEST_CASE("node-port addresses given replace the default")
{
    CHECK(flags::node_port_addresses("primary").value() == NodePortAddresses{});
    CHECK(flags::node_port_addresses("localhost, 10.0.0.0/8").value() ==
          NodePortAddresses{
              .primary = false, .localhost = true, .all = false, .cidrs = {network("10.0.0.0/8")}});
    CHECK(flags::node_port_addresses("all").value().all);
    CHECK(refused(flags::node_port_addresses("primary,every"), "\"every\" is neither"));
    CHECK(refused(flags::node_port_addresses(""), "neither"));
}

TEST_CASE("addresses to listen on name host and port, or nothing")
{
    auto is = [](std::string_view given, const std::string& host, int port) {
        auto at = flags::bind_address(given);
        return at && at->host == host && at->port == port;
    };
    CHECK(is("0.0.0.0:10256", "0.0.0.0", 10256));
    CHECK(is("[::1]:80", "::1", 80));
    CHECK(is("localhost:1", "127.0.0.1", 1));
    CHECK(is("127.0.0.1:0", "127.0.0.1", 0));
    CHECK(is("", "", 0));
    for (const char* wrong : {"10256", ":10256", "::1:80", "[::1]", "[10.0.0.1]:80", "10.0.0.1:65536",
                              "10.0.0.1:", "10.0.0.1:-1", "host.example:80", "[localhost]:80"})
        CHECK(refused(flags::bind_address(wrong), "no address to listen on"));
}

TEST_CASE("words and numbers outside their list are refused with the list")
{
    CHECK(flags::socket_lb("all") == SocketLb::all);
    CHECK(flags::socket_lb("host") == SocketLb::host);
    CHECK(flags::socket_lb("off") == SocketLb::off);
    CHECK(refused(flags::socket_lb("on"), "\"on\" is none of all, host, off"));
    CHECK(flags::xdp_mode("auto") == XdpMode::automatic);
    CHECK(flags::xdp_mode("native") == XdpMode::native);
    CHECK(flags::xdp_mode("generic") == XdpMode::generic);
    CHECK(flags::xdp_mode("off") == XdpMode::off);
    CHECK(refused(flags::xdp_mode("on"), "\"on\" is none of auto, native, generic, off"));
    CHECK(flags::log_json("json") == true);
    CHECK(flags::log_json("text") == false);
    CHECK(refused(flags::log_json("xml"), "neither text nor json"));
    CHECK(flags::verbosity("10") == 10);
    CHECK(refused(flags::verbosity("11"), "between 0 and 10"));
    CHECK(refused(flags::verbosity("-1"), "between 0 and 10"));
    CHECK(refused(flags::verbosity("2x"), "between 0 and 10"));
}

TEST_CASE("the relist guard is a share and a number, or off")
{
    CHECK(flags::relist_guard("50%") == RelistLimits{});
    CHECK(flags::relist_guard("80%, 100") == RelistLimits{.percent = 80, .count = 100});
    CHECK(flags::relist_guard("0%,0") == RelistLimits{.percent = 0, .count = 0});
    CHECK_FALSE(flags::relist_guard("off")->on);
    CHECK(flags::relist_guard("80%,100")->text() == "80%,100");
    CHECK(flags::relist_guard("off")->text() == "off");
    for (const auto* wrong : {"", "on", "0.5", "50", "101%", "-1%", "50%,", "50%,x", "50%,1,2", "%"})
        CHECK(refused(flags::relist_guard(wrong), "neither off nor a share"));
}

TEST_CASE("paths are absolute and normal")
{
    CHECK(flags::absolute_path("/sys/fs/bpf/naru/") == "/sys/fs/bpf/naru");
    CHECK(flags::absolute_path("/sys/fs/./bpf//x/../naru") == "/sys/fs/bpf/naru");
    CHECK(flags::absolute_path("/") == "/");
    CHECK(refused(flags::absolute_path("bpf/naru"), "must be a path from the root"));
    CHECK(refused(flags::absolute_path(""), "must be a path from the root"));
}

TEST_CASE("a dot is refused below bpffs and nowhere else")
{
    std::vector<std::filesystem::path> mounts{"/sys/fs/bpf", "/run/n.1/bpf"};
    CHECK(flags::usable_pin_path("/sys/fs/bpf/naru", mounts));
    CHECK(flags::usable_pin_path("/run/n.1/bpf/naru", mounts));
    CHECK(flags::usable_pin_path("/srv/naru.d/pins", mounts));
    CHECK(flags::usable_pin_path("/sys/fs/bpf", mounts));
    CHECK(flags::usable_pin_path("/sys/fs/bpf.d/x", mounts));
    CHECK(refused(flags::usable_pin_path("/sys/fs/bpf/node.a/naru", mounts),
                  "bpffs takes no name with a dot: rename \"node.a\""));
    CHECK(refused(flags::usable_pin_path("/sys/fs/bpf/naru/v1.2", mounts), "rename \"v1.2\""));
    CHECK(refused(flags::usable_pin_path("/run/n.1/bpf/.naru", mounts), "rename \".naru\""));
}

TEST_CASE("the nearest word is offered only when it is near")
{
    std::vector<std::string> known{"--manifests", "--devices", "--bpf-path"};
    CHECK(flags::nearest("--manifest", known) == "--manifests");
    CHECK(flags::nearest("--devcies", known) == "--devices");
    CHECK_FALSE(flags::nearest("--kubeconfig", known));
    CHECK_FALSE(flags::nearest("", known));
}

TEST_CASE("packets go on with a source of this node or encapsulated")
{
    CHECK(flags::forwarding("snat").value() == Forwarding::snat);
    CHECK(flags::forwarding("dsr").value() == Forwarding::dsr);
    for (const char* wrong : {"", "DSR", "none"})
        CHECK(refused(flags::forwarding(wrong), "is neither snat nor dsr"));
}
