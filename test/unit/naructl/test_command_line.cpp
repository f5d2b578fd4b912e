#include "naructl/command_line.hpp"

#include <catch2/catch.hpp>

#include <vector>

#include "builders.hpp"

using namespace naru;
using namespace naru::test;
using naru::ctl::parse_endpoint;
using naru::ctl::Verb;

namespace {

ctl::CommandLine parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "naructl");
    return ctl::parse_command_line(static_cast<int>(words.size()), words.data());
}

/// The one line a bad command line is answered with.
std::string refusal(std::vector<const char*> words)
{
    auto line = parse(std::move(words));
    REQUIRE(line.exit_code == 1);
    CHECK(line.output.find('\n') == line.output.size() - 1);
    return line.output;
}

} // namespace

TEST_CASE("global flags are understood before and after the verb")
{
    for (auto words : {std::vector{"--bpf-path", "/b", "-o", "json", "services"},
                       std::vector{"services", "--bpf-path=/b", "-o", "json"}}) {
        auto line = parse(words);
        REQUIRE_FALSE(line.exit_code);
        CHECK(line.options.verb == Verb::services);
        CHECK(line.options.bpf_path == "/b");
        CHECK(line.options.format == ctl::Format::json);
    }
}

TEST_CASE("without flags everything is shown as a table with headers")
{
    auto line = parse({"ct"});
    REQUIRE_FALSE(line.exit_code);
    CHECK(line.options.bpf_path == "/sys/fs/bpf/naru");
    CHECK(line.options.format == ctl::Format::table);
    CHECK(line.options.headers);
    CHECK_FALSE(line.options.watch);
    CHECK_FALSE(line.options.filter.ns);
    CHECK_FALSE(line.options.filter.ip);
}

TEST_CASE("filters are values")
{
    auto line = parse({"ct", "-n", "shop", "--ip", "fd00::1", "--port", "53", "--proto", "UDP"});
    REQUIRE_FALSE(line.exit_code);
    CHECK(line.options.filter.ns == "shop");
    CHECK(line.options.filter.ip == addr("fd00::1"));
    CHECK(line.options.filter.port == Port{53});
    CHECK(line.options.filter.protocol == Protocol::udp);
    CHECK_FALSE(parse({"services", "-A"}).options.filter.ns);
}

TEST_CASE("a flow to explain is a value")
{
    auto line = parse({"explain", "--from", "203.0.113.9:4711", "--outside", "192.0.2.10:80/udp"});
    REQUIRE_FALSE(line.exit_code);
    CHECK(line.options.flow.from == addr("203.0.113.9"));
    CHECK(line.options.flow.from_port == Port{4711});
    CHECK(line.options.flow.outside);
    CHECK(line.options.flow.to == at("192.0.2.10:80"));
    CHECK(line.options.flow.protocol == Protocol::udp);
    CHECK(parse({"explain", "[fd00::1]:443"}).options.flow.protocol == Protocol::tcp);
}

TEST_CASE("a bad command line is answered with one line and the nearest match")
{
    CHECK(refusal({}).contains("--help"));
    CHECK(refusal({"servics"}).contains("unknown verb servics; did you mean services?"));
    CHECK(refusal({"services", "--no-header"})
              .contains("unknown flag --no-header for services; did you mean --no-headers?"));
    CHECK(refusal({"--bpfpath=/x", "status"}).contains("did you mean --bpf-path?"));
    CHECK(refusal({"metrics", "--ip", "10.0.0.1"}).contains("unknown flag --ip for metrics"));
    CHECK(refusal({"status", "extra"}).contains("unexpected argument extra of status"));
    CHECK(refusal({"status", "-o", "xml"}).contains("-o must be table, wide, json or yaml, not xml"));
    CHECK(refusal({"ct", "--ip", "10.0.0"}).contains("--ip must be"));
    CHECK(refusal({"ct", "--port", "70000"}).contains("--port"));
    CHECK(refusal({"ct", "--proto", "icmp"}).contains("--proto must be"));
    CHECK(refusal({"maglev"}).contains("SERVICE"));
    CHECK(refusal({"services", "-n"}).contains("namespace"));
    CHECK(refusal({"services", "-n", "a", "-A"}).contains("namespace"));
}

TEST_CASE("a flow that cannot be is refused with the form it should have")
{
    CHECK(refusal({"explain"}).contains("TARGET"));
    CHECK(refusal({"explain", "10.0.0.1"}).contains("ADDRESS:PORT"));
    CHECK(refusal({"explain", "10.0.0.1:80/icmp"}).contains("ADDRESS:PORT"));
    CHECK(refusal({"explain", "10.0.0.1:0"}).contains("ADDRESS:PORT"));
    CHECK(refusal({"explain", "--outside", "10.0.0.1:80"}).contains("--from"));
    CHECK(refusal({"explain", "--from", "x", "10.0.0.1:80"}).contains("--from must be"));
    CHECK(refusal({"explain", "--from", "fd00::1", "10.0.0.1:80"}).contains("one address family"));
}

TEST_CASE("what the user typed cannot steer the terminal it is reported on")
{
    CHECK(refusal({"\x1b[2J"}).contains("\\x1b[2J"));
}

TEST_CASE("help and version go to stdout and succeed")
{
    auto help = parse({"--help"});
    CHECK(help.exit_code == 0);
    for (auto word :
         {"status", "services", "backends", "maglev", "affinity", "ct", "metrics", "explain", "Examples:"})
        CHECK(help.output.contains(word));
    auto version = parse({"--version"});
    CHECK(version.exit_code == 0);
    CHECK(version.output.starts_with("naructl "));
}

TEST_CASE("an endpoint is an address with or without a port")
{
    CHECK(parse_endpoint("10.0.0.1")->address == addr("10.0.0.1"));
    CHECK_FALSE(parse_endpoint("10.0.0.1")->port);
    CHECK(parse_endpoint("10.0.0.1:80")->port == Port{80});
    CHECK(parse_endpoint("fd00::1")->address == addr("fd00::1"));
    CHECK_FALSE(parse_endpoint("fd00::1")->port);
    CHECK(parse_endpoint("[fd00::1]:80")->port == Port{80});
    CHECK_FALSE(parse_endpoint("[fd00::1]")->port);
    for (auto wrong : {"", ":", "10.0.0.1:", "10.0.0.1:x", "10.0.0.1:65536", "[10.0.0.1]:80", "[fd00::1",
                       "[fd00::1]80", "[]:80"})
        CHECK_FALSE(parse_endpoint(wrong));
}
