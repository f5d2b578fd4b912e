#include "command_line.hpp"

#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "escape.hpp"
#include "lb/abi.h"
#include "nearest.hpp"

namespace naru::ctl {

namespace {

constexpr int usage_error = 1;

struct VerbText {
    Verb verb;
    const char* name;
    const char* help;
};

constexpr std::array<VerbText, 8> verbs{{
    {Verb::status, "status", "version, layout, use of every table, attached programs"},
    {Verb::services, "services", "every address and port a client may dial, and the Service behind it"},
    {Verb::backends, "backends", "the endpoints of every service by position, with state and generation"},
    {Verb::maglev, "maglev", "slots and share of each backend of one Service"},
    {Verb::affinity, "affinity", "clients that stick to a backend (sessionAffinity: ClientIP)"},
    {Verb::ct, "ct", "tracked flows"},
    {Verb::metrics, "metrics", "packets and socket calls by hook and reason"},
    {Verb::explain, "explain", "one lookup step by step: why does this flow go where it goes"},
}};

constexpr const char* examples = R"(Examples:
  naructl services -n shop                     what is served in namespace shop
  naructl backends --ip 10.244.1.7             which services a pod is a backend of
  naructl maglev shop/frontend:http            how evenly new flows are spread
  naructl ct --proto udp --port 53 --watch     DNS flows, redrawn each second
  naructl explain --from 203.0.113.9:4711 --outside 192.0.2.10:80
                                               where a packet from outside goes, and why
  naructl metrics -o json                      all counters, for scripts

Ages and remaining times are exact with CAP_BPF; without it they may be off by less than a second or so.
Exit codes: 0 ok, 1 error, 3 no permission to read the pins, 4 no pins or an unknown layout.)";

/// Text as typed, before it is understood.
struct Raw {
    std::string bpf_path, format = "table", ip, proto, from, target;
    std::optional<std::string> ns;
    std::optional<std::uint16_t> port;
    bool all_namespaces = false, no_headers = false;
};

CommandLine refuse(std::string line)
{
    return {.options = {}, .exit_code = usage_error, .output = "naructl: " + line + '\n'};
}

void add_filters(CLI::App& verb, Raw& raw, bool rows_have_addresses)
{
    auto* ns = verb.add_option("-n,--namespace", raw.ns, "only Services of this namespace")->type_name("NS");
    verb.add_flag("-A,--all-namespaces", raw.all_namespaces, "Services of all namespaces (default)")
        ->excludes(ns);
    if (!rows_have_addresses)
        return;
    verb.add_option("--ip", raw.ip, "only rows with this address")->type_name("IP");
    verb.add_option("--port", raw.port, "only rows with this port")->type_name("PORT");
    verb.add_option("--proto", raw.proto, "only this protocol: tcp, udp or sctp")->type_name("PROTO");
}

void describe(CLI::App& app, Options& options, Raw& raw)
{
    raw.bpf_path = options.bpf_path.string();
    app.require_subcommand(0, 1);
    app.fallthrough();
    app.allow_extras();
    app.footer(examples);
    app.set_version_flag("--version", fmt::format("naructl {} (ABI {})", NARU_VERSION, LB_ABI_VERSION));
    app.add_option("--bpf-path", raw.bpf_path, "where naru-agent pins its maps")
        ->type_name("DIR")
        ->capture_default_str();
    app.add_option("-o,--output", raw.format, "table, wide, json or yaml")
        ->type_name("FORMAT")
        ->capture_default_str();
    app.add_flag("--no-headers", raw.no_headers, "tables without their first line");
    app.add_flag("--watch", options.watch, "redraw each second until interrupted");

    for (const auto& [verb, name, help] : verbs) {
        auto& sub = *app.add_subcommand(name, help);
        sub.callback([&options, chosen = verb] { options.verb = chosen; });
        if (verb == Verb::maglev)
            sub.add_option("SERVICE", options.service, "NS/NAME, NS/NAME:PORT or an ID of `services`")
                ->required();
        if (verb == Verb::maglev)
            add_filters(sub, raw, false);
        if (verb == Verb::services || verb == Verb::backends || verb == Verb::affinity || verb == Verb::ct)
            add_filters(sub, raw, true);
        if (verb == Verb::explain) {
            sub.add_option("--from", raw.from, "client; without it a process of this node")
                ->type_name("IP[:PORT]");
            sub.add_flag("--outside", options.flow.outside,
                         "the client is beyond an uplink, not a pod of this node");
            sub.add_option("TARGET", raw.target, "ADDRESS:PORT[/PROTO], as the client dials it")->required();
        }
    }
}

std::string lower(std::string_view text)
{
    std::string out{text};
    for (char& c : out)
        if (c >= 'A' && c <= 'Z')
            c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::optional<Protocol> protocol_of(std::string_view text)
{
    auto name = lower(text);
    if (name == "tcp")
        return Protocol::tcp;
    if (name == "udp")
        return Protocol::udp;
    if (name == "sctp")
        return Protocol::sctp;
    return std::nullopt;
}

/// "; did you mean `ct`?" or nothing.
std::string hint(std::string_view word, const std::vector<std::string>& known)
{
    auto meant = nearest(word, known);
    return meant ? fmt::format("; did you mean {}?", *meant) : "";
}

std::vector<std::string> flags_of(const CLI::App& app)
{
    std::vector<std::string> names;
    for (const auto* option : app.get_options())
        for (const auto& name : option->get_lnames())
            names.push_back("--" + name);
    return names;
}

CommandLine unknown_word(const CLI::App& app, const std::string& word)
{
    auto chosen = app.get_subcommands();
    auto shown = truncate(escape(word), 64);
    if (word.starts_with('-')) {
        auto known = flags_of(app);
        if (!chosen.empty())
            for (auto& name : flags_of(*chosen.front()))
                known.push_back(std::move(name));
        auto name = word.substr(0, word.find('='));
        return refuse(fmt::format("unknown flag {}{}{}", shown,
                                  chosen.empty() ? "" : " for " + chosen.front()->get_name(),
                                  hint(name, known)));
    }
    if (!chosen.empty())
        return refuse(fmt::format("unexpected argument {} of {}", shown, chosen.front()->get_name()));
    std::vector<std::string> known;
    for (const auto& verb : verbs)
        known.emplace_back(verb.name);
    return refuse(fmt::format("unknown verb {}{}", shown, hint(word, known)));
}

/// "ADDRESS:PORT[/PROTO]"
bool parse_target(std::string_view text, Flow& flow)
{
    if (auto slash = text.find('/'); slash != std::string_view::npos) {
        auto protocol = protocol_of(text.substr(slash + 1));
        if (!protocol)
            return false;
        flow.protocol = *protocol;
        text = text.substr(0, slash);
    }
    auto endpoint = parse_endpoint(text);
    if (!endpoint || !endpoint->port)
        return false;
    flow.to = {endpoint->address, *endpoint->port};
    return true;
}

/// Empty: all is well.
std::string understand_flow(const Raw& raw, Flow& flow)
{
    if (!parse_target(raw.target, flow))
        return "TARGET must be ADDRESS:PORT[/tcp|udp|sctp], such as 10.96.0.1:443/tcp or [fd00::1]:53/udp";
    if (raw.from.empty())
        return flow.outside ? "--outside needs the client: --from IP[:PORT]" : "";
    auto from = parse_endpoint(raw.from);
    if (!from)
        return fmt::format("--from must be IP or IP:PORT, not {}", escape(raw.from));
    if (from->address.family() != flow.to.address.family())
        return "--from and TARGET must be of one address family";
    flow.from = from->address;
    flow.from_port = from->port;
    return "";
}

/// Empty: all is well.
std::string understand(const Raw& raw, Options& options)
{
    auto format = parse_format(raw.format);
    if (!format)
        return fmt::format("-o must be table, wide, json or yaml, not {}", escape(raw.format));
    options.format = *format;
    options.bpf_path = raw.bpf_path;
    options.headers = !raw.no_headers;
    options.filter.ns = raw.ns;
    if (raw.port)
        options.filter.port = Port{*raw.port};
    if (!raw.ip.empty() && !(options.filter.ip = Address::parse(raw.ip)))
        return fmt::format("--ip must be an IPv4 or IPv6 address, not {}", escape(raw.ip));
    if (!raw.proto.empty() && !(options.filter.protocol = protocol_of(raw.proto)))
        return fmt::format("--proto must be tcp, udp or sctp, not {}", escape(raw.proto));
    return options.verb == Verb::explain ? understand_flow(raw, options.flow) : "";
}

} // namespace

std::optional<Endpoint> parse_endpoint(std::string_view text)
{
    auto parse_port = [](std::string_view digits) -> std::optional<Port> {
        std::uint16_t number = 0;
        auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
        if (digits.empty() || failed != std::errc{} || end != digits.data() + digits.size() || number == 0)
            return std::nullopt;
        return Port{number};
    };
    auto host = text, rest = std::string_view{};
    if (text.starts_with('[')) {
        auto close = text.find(']');
        if (close == std::string_view::npos)
            return std::nullopt;
        host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
        if (!host.contains(':'))
            return std::nullopt;
    } else if (auto colon = text.find(':'); colon != std::string_view::npos && colon == text.rfind(':')) {
        host = text.substr(0, colon);
        rest = text.substr(colon);
    }
    auto address = Address::parse(host);
    if (!address)
        return std::nullopt;
    if (rest.empty())
        return Endpoint{*address, std::nullopt};
    auto port = rest.starts_with(':') ? parse_port(rest.substr(1)) : std::nullopt;
    if (!port)
        return std::nullopt;
    return Endpoint{*address, port};
}

CommandLine parse_command_line(int argc, const char* const* argv)
{
    CLI::App app{
        "naructl shows what naru's datapath holds, read from its pinned maps alone: no agent has to run.",
        "naructl"};
    Options options;
    Raw raw;
    describe(app, options, raw);
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return {.options = {}, .exit_code = 0, .output = app.help()};
    } catch (const CLI::CallForVersion& version) {
        return {.options = {}, .exit_code = 0, .output = std::string{version.what()} + '\n'};
    } catch (const CLI::ParseError& failed) {
        if (auto extra = app.remaining(true); !extra.empty())
            return unknown_word(app, extra.front());
        return refuse(escape(failed.what()));
    }
    if (auto extra = app.remaining(true); !extra.empty())
        return unknown_word(app, extra.front());
    if (app.get_subcommands().empty())
        return refuse("no verb given; `naructl --help` lists them");
    if (auto wrong = understand(raw, options); !wrong.empty())
        return refuse(wrong);
    return {.options = std::move(options), .exit_code = std::nullopt, .output = ""};
}

} // namespace naru::ctl
