#include "fields.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace naru {

using yaml::Kind;
using yaml::Value;

namespace {

template <class T>
std::optional<T> whole_number(std::string_view text)
{
    T value{};
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// What the API server would decode as something else than text: `name: 8080`, `value: on`.
bool is_other_type(std::string_view plain)
{
    constexpr std::array truths{"true", "false", "yes", "no", "on", "off"};
    std::string lower{plain};
    std::ranges::transform(lower, lower.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; });
    if (std::ranges::find(truths, lower) != truths.end())
        return true;
    bool numeric =
        !plain.empty() && (is_digit(plain[0]) || ((plain[0] == '+' || plain[0] == '-' || plain[0] == '.') &&
                                                  plain.size() > 1 && is_digit(plain[1])));
    if (numeric && plain[0] == '+')
        plain.remove_prefix(1);
    if (lower.starts_with("0x"))
        return lower.find_first_not_of("0123456789abcdef", 2) == std::string::npos;
    return numeric && whole_number<double>(plain).has_value();
}

} // namespace

std::string printable(std::string_view text, std::size_t most)
{
    std::string out;
    for (char c : text.substr(0, most)) {
        if (c < 0x20 || c > 0x7e)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        else
            out += c;
    }
    return text.size() > most ? out + "..." : out;
}

std::string in_quotes(std::string_view text) { return '"' + printable(text) + '"'; }

void Fields::fail(const Value& at, std::string what)
{
    if (!problem_)
        problem_ = yaml::Problem{at.line(), std::move(what)};
}

Value Fields::map(const Value& parent, std::string_view key)
{
    auto at = parent.find(key);
    if (at.kind() != Kind::map && at.kind() != Kind::null)
        fail(at, fmt::format("{}: must be a map of fields", key));
    return at;
}

std::vector<Value> Fields::list(const Value& parent, std::string_view key)
{
    auto at = parent.find(key);
    if (at.kind() != Kind::sequence && at.kind() != Kind::null)
        fail(at, fmt::format("{}: must be a list", key));
    return at.elements();
}

std::vector<Value> Fields::maps(const Value& parent, std::string_view key)
{
    auto elements = list(parent, key);
    for (const auto& element : elements)
        if (element.kind() != Kind::map)
            fail(element, fmt::format("{}: each element must be a map of fields", key));
    return elements;
}

std::optional<std::string> Fields::as_text(const Value& at, std::string_view name)
{
    if (at.kind() == Kind::null)
        return std::nullopt;
    if (at.kind() != Kind::scalar)
        fail(at, fmt::format("{}: must be text", name));
    else if (at.plain() && is_other_type(at.scalar()))
        fail(at, fmt::format("{0}: {1} is not text: write \"{1}\"", name, at.scalar()));
    else
        return std::string{at.scalar()};
    return std::nullopt;
}

std::optional<std::string> Fields::text(const Value& parent, std::string_view key)
{
    return as_text(parent.find(key), key);
}

std::vector<std::string> Fields::texts(const Value& parent, std::string_view key)
{
    std::vector<std::string> out;
    for (const auto& element : list(parent, key))
        if (auto text = as_text(element, key))
            out.push_back(std::move(*text));
    return out;
}

std::optional<bool> Fields::boolean(const Value& parent, std::string_view key)
{
    auto at = parent.find(key);
    if (at.kind() == Kind::null)
        return std::nullopt;
    if (at.kind() == Kind::scalar && at.plain() && (at.scalar() == "true" || at.scalar() == "false"))
        return at.scalar() == "true";
    fail(at, fmt::format("{}: must be true or false", key));
    return std::nullopt;
}

std::optional<std::int64_t> Fields::integer(const Value& parent, std::string_view key, std::int64_t least,
                                            std::int64_t most)
{
    auto at = parent.find(key);
    if (at.kind() == Kind::null)
        return std::nullopt;
    auto value = at.plain() ? whole_number<std::int64_t>(at.scalar()) : std::nullopt;
    if (value && *value >= least && *value <= most)
        return value;
    if (value)
        fail(at, fmt::format("{}: {} is not between {} and {}", key, *value, least, most));
    else
        fail(at, fmt::format("{}: must be a number between {} and {}", key, least, most));
    return std::nullopt;
}

std::optional<Port> Fields::port(const Value& parent, std::string_view key, std::uint16_t least)
{
    auto number = integer(parent, key, least, UINT16_MAX);
    return number ? std::optional{Port{static_cast<std::uint16_t>(*number)}} : std::nullopt;
}

Protocol Fields::protocol(const Value& parent)
{
    return choice<Protocol>(parent, "protocol",
                            {{"TCP", Protocol::tcp}, {"UDP", Protocol::udp}, {"SCTP", Protocol::sctp}})
        .value_or(Protocol::tcp);
}

std::optional<Address> Fields::address(const Value& at, std::string_view name)
{
    auto text = as_text(at, name);
    if (!text || text->empty())
        return std::nullopt;
    auto address = Address::parse(*text);
    if (!address)
        fail(at, fmt::format("{}: {} is not an IP address", name, in_quotes(*text)));
    return address;
}

std::string Fields::name(const Value& parent, std::string_view key)
{
    auto at = parent.find(key);
    auto name = as_text(at, key).value_or("");
    if (name.size() > 253 ||
        name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-.") != std::string::npos)
        fail(at, fmt::format("{}: {} is no name: lower-case letters, digits, '-' and '.' only", key,
                             in_quotes(name)));
    return name;
}

ObjectKey Fields::object_key(const Value& object)
{
    auto metadata = map(object, "metadata");
    ObjectKey key{name(metadata, "namespace"), name(metadata, "name")};
    if (key.ns.empty())
        key.ns = "default";
    if (key.name.empty())
        fail(metadata, "metadata.name is missing");
    return key;
}

} // namespace naru
