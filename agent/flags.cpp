#include "flags.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace naru::flags {

using std::filesystem::path;

namespace {

constexpr int verbosity_max = 10;
constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text)
{
    auto begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos)
        return {};
    return text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

std::vector<std::string_view> split(std::string_view text)
{
    std::vector<std::string_view> out;
    for (;;) {
        auto comma = text.find(',');
        out.push_back(trimmed(text.substr(0, comma)));
        if (comma == std::string_view::npos)
            return out;
        text.remove_prefix(comma + 1);
    }
}

template <class T>
std::optional<T> whole_number(std::string_view text)
{
    T value{};
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    return failed == std::errc{} && end == text.data() + text.size() ? std::optional{value} : std::nullopt;
}

} // namespace

Result<std::string> node_name(std::string_view value)
{
    std::string name{trimmed(value)};
    std::ranges::transform(name, name.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; });
    if (name.empty())
        return error("the node name is empty");
    if (name.size() > 253 ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos)
        return error(fmt::format("\"{}\" is no node name: letters, digits, '-' and '.' only", name));
    return name;
}

Result<std::optional<std::set<std::string>>> devices(std::string_view value)
{
    if (value == "auto")
        return std::optional<std::set<std::string>>{};
    std::set<std::string> names;
    for (auto name : split(value)) {
        if (name.empty() || name.size() >= IF_NAMESIZE || name == "." || name == ".." ||
            name.find_first_of("/: \t") != std::string_view::npos)
            return error(fmt::format(
                "\"{}\" is no name of an interface: give auto or a list such as eth0,eth1", name));
        names.emplace(name);
    }
    return std::optional{std::move(names)};
}

Result<ExternalIps> external_ips(std::string_view value)
{
    ExternalIps out;
    if (value == "on" || value == "off") {
        out.on = value == "on";
        return out;
    }
    for (auto word : split(value)) {
        auto network = Cidr::parse(word);
        if (!network)
            return error(fmt::format("\"{}\" is neither on, off nor a network such as 203.0.113.0/24", word));
        out.only.push_back(*network);
    }
    return out;
}

Result<NodePortAddresses> node_port_addresses(std::string_view value)
{
    NodePortAddresses out{.primary = false, .cidrs = {}};
    for (auto word : split(value)) {
        auto network = Cidr::parse(word);
        if (network)
            out.cidrs.push_back(*network);
        else if (word == "primary")
            out.primary = true;
        else if (word == "localhost")
            out.localhost = true;
        else if (word == "all")
            out.all = true;
        else
            return error(fmt::format(
                "\"{}\" is neither primary, localhost, all nor a network such as 192.168.0.0/16", word));
    }
    return out;
}

Result<bool> on_off(std::string_view value)
{
    if (value == "on" || value == "off")
        return value == "on";
    return error(fmt::format("\"{}\" is neither on nor off", value));
}

Result<bool> closed(std::string_view value)
{
    if (value == "open" || value == "closed")
        return value == "closed";
    return error(fmt::format("\"{}\" is neither open nor closed", value));
}

Result<Forwarding> forwarding(std::string_view value)
{
    if (auto named = forwarding_named(value))
        return *named;
    return error(fmt::format("\"{}\" is neither snat nor dsr", value));
}

Result<SocketLb> socket_lb(std::string_view value)
{
    if (value == "all")
        return SocketLb::all;
    if (value == "host")
        return SocketLb::host;
    if (value == "off")
        return SocketLb::off;
    return error(fmt::format("\"{}\" is none of all, host, off", value));
}

Result<XdpMode> xdp_mode(std::string_view value)
{
    if (value == "auto")
        return XdpMode::automatic;
    if (value == "native")
        return XdpMode::native;
    if (value == "generic")
        return XdpMode::generic;
    if (value == "off")
        return XdpMode::off;
    return error(fmt::format("\"{}\" is none of auto, native, generic, off", value));
}

Result<BindAddress> bind_address(std::string_view value)
{
    if (value.empty())
        return BindAddress{};
    auto wrong = [&] {
        return error(
            fmt::format("\"{}\" is no address to listen on: give 0.0.0.0:10256, [::]:10256, or nothing "
                        "to switch it off",
                        value));
    };
    auto colon = value.rfind(':');
    if (colon == std::string_view::npos)
        return wrong();
    auto host = value.substr(0, colon);
    auto port = whole_number<std::uint16_t>(value.substr(colon + 1));
    bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed)
        host = host.substr(1, host.size() - 2);
    if (host == "localhost" && !bracketed)
        host = "127.0.0.1";
    auto address = Address::parse(host);
    if (!port || !address || bracketed != host.contains(':'))
        return wrong();
    return BindAddress{std::string{host}, *port};
}

Result<std::vector<kube::Url>> api_servers(std::string_view value)
{
    std::vector<kube::Url> out;
    for (auto word : split(value)) {
        auto url = kube::Url::parse(word);
        if (!url)
            return error(fmt::format("\"{}\" is no URL such as https://10.0.0.1:6443", word));
        out.push_back(std::move(*url));
    }
    return out;
}

Result<std::string> label_value(std::string_view value)
{
    const auto text = trimmed(value);
    const auto is_edge = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    };
    const auto fits = [&](char c) { return is_edge(c) || c == '-' || c == '_' || c == '.'; };
    if (text.empty() || text.size() > 63 || !is_edge(text.front()) || !is_edge(text.back()) ||
        !std::ranges::all_of(text, fits))
        return error(fmt::format("\"{}\" is no value a label may have", value));
    return std::string{text};
}

Result<RelistLimits> relist_guard(std::string_view value)
{
    RelistLimits out;
    if (value == "off") {
        out.on = false;
        return out;
    }
    auto wrong = [&] {
        return error(
            fmt::format("\"{}\" is neither off nor a share with the number that may always go, such as "
                        "50%,10",
                        value));
    };
    const auto words = split(value);
    auto share = words.front();
    if (words.size() > 2 || !share.ends_with('%'))
        return wrong();
    share.remove_suffix(1);
    const auto percent = whole_number<unsigned>(share);
    const auto count = words.size() > 1 ? whole_number<std::size_t>(words[1]) : std::optional{out.count};
    if (!percent || *percent > 100 || !count)
        return wrong();
    out.percent = *percent;
    out.count = *count;
    return out;
}

Result<int> verbosity(std::string_view value)
{
    auto level = whole_number<int>(value);
    if (!level || *level < 0 || *level > verbosity_max)
        return error(fmt::format("\"{}\" is not a number between 0 and {}", value, verbosity_max));
    return *level;
}

Result<bool> log_json(std::string_view value)
{
    if (value != "text" && value != "json")
        return error(fmt::format("\"{}\" is neither text nor json", value));
    return value == "json";
}

Result<path> absolute_path(std::string_view value)
{
    path given{value};
    if (!given.is_absolute())
        return error(fmt::format("\"{}\" must be a path from the root", value));
    auto normal = given.lexically_normal();
    return normal.has_filename() ? normal : normal.parent_path();
}

Result<> usable_pin_path(const path& wanted, std::span<const path> mounts)
{
    for (const auto& mount : mounts) {
        auto inside = wanted.lexically_relative(mount);
        if (inside.empty() || inside == "." || *inside.begin() == "..")
            continue;
        for (const auto& part : inside)
            if (part.native().contains('.'))
                return error(fmt::format("bpffs takes no name with a dot: rename \"{}\" in \"{}\"",
                                         part.string(), wanted.string()));
    }
    return {};
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known)
{
    std::optional<std::string> best;
    std::size_t least = word.size() / 3 + 1;
    for (const auto& candidate : known) {
        // Levenshtein's distance, one row at a time.
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), 0u);
        for (std::size_t i = 0; i < word.size(); ++i) {
            std::size_t diagonal = std::exchange(row[0], i + 1);
            for (std::size_t j = 0; j < candidate.size(); ++j) {
                auto replaced = diagonal + (word[i] != candidate[j]);
                diagonal = row[j + 1];
                row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
            }
        }
        if (row.back() < least) {
            least = row.back();
            best = candidate;
        }
    }
    return best;
}

} // namespace naru::flags
