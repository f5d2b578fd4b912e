#include "event_body.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>

#include <boost/json.hpp>
#include <fmt/chrono.h>
#include <fmt/format.h>

namespace naru::kube {

namespace json = boost::json;

namespace {

constexpr std::size_t longest_message = 1024; // of events.k8s.io/v1, core/v1 sets no bound
constexpr std::string_view cut_mark = "...";
constexpr std::string_view component = "naru-agent";

std::string rfc3339(std::int64_t unix_sec)
{
    return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(static_cast<std::time_t>(unix_sec)));
}

struct Character {
    std::size_t bytes = 0; ///< 0: not valid UTF-8
    char32_t code = 0;
};

Character first_character(std::string_view text)
{
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t bytes = byte(0) < 0x80 ? 1 : byte(0) >> 5 == 6 ? 2 : byte(0) >> 4 == 14 ? 3 : 4;
    if (bytes == 1)
        return {1, byte(0)};
    if (bytes > text.size() || (bytes == 4 && byte(0) >> 3 != 30))
        return {};
    char32_t code = byte(0) & (0x7fu >> bytes);
    for (std::size_t i = 1; i < bytes; i++) {
        if (byte(i) >> 6 != 2)
            return {};
        code = code << 6 | (byte(i) & 0x3fu);
    }
    constexpr char32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (code < least[bytes] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return {};
    return {bytes, code};
}

bool is_misleading(char32_t code)
{
    const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
    const bool turns_direction = code == 0x61c || code == 0x200e || code == 0x200f ||
                                 (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
    return control || turns_direction;
}

/// One character of the input as it may be shown.
std::string shown(const Character& character, std::string_view text)
{
    if (character.bytes == 0)
        return fmt::format("\\x{:02x}", static_cast<unsigned char>(text[0]));
    if (!is_misleading(character.code))
        return std::string{text.substr(0, character.bytes)};
    const auto code = static_cast<std::uint32_t>(character.code);
    return code < 0x80 ? fmt::format("\\x{:02x}", code) : fmt::format("\\u{{{:x}}}", code);
}

} // namespace

std::uint64_t stable_hash(std::string_view text)
{
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text)
        hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

std::string_view event_namespace(const Occurrence& occurrence)
{
    return occurrence.object.ns.empty() ? "default" : std::string_view{occurrence.object.ns};
}

std::string event_name(const Occurrence& occurrence, std::string_view node)
{
    const auto& who = occurrence.of_this_node ? node : std::string_view{};
    const auto identity =
        fmt::format("{}\n{}\n{}\n{}", who, occurrence.uid, occurrence.reason, occurrence.message);
    return fmt::format("{}.{:016x}", occurrence.object.name, stable_hash(identity));
}

std::string event_body(const std::string& name, const Occurrence& occurrence, const Sightings& seen,
                       const std::string& node)
{
    const auto& [ns, object] = occurrence.object;
    json::object involved{{"apiVersion", "v1"},
                          {"kind", ns.empty() ? "Node" : "Service"},
                          {"name", object},
                          {"uid", occurrence.uid}};
    if (!ns.empty())
        involved.emplace("namespace", event_namespace(occurrence));
    return json::serialize(json::object{
        {"apiVersion", "v1"},
        {"kind", "Event"},
        {"metadata", {{"name", name}, {"namespace", event_namespace(occurrence)}}},
        {"involvedObject", std::move(involved)},
        {"reason", occurrence.reason},
        {"message", event_message(occurrence.message)},
        {"type", occurrence.warning ? "Warning" : "Normal"},
        {"source", {{"component", component}, {"host", node}}},
        {"reportingComponent", component},
        {"reportingInstance", node},
        {"firstTimestamp", rfc3339(seen.first_sec)},
        {"lastTimestamp", rfc3339(seen.last_sec)},
        {"count", seen.count},
    });
}

std::string event_patch(const Sightings& seen)
{
    return json::serialize(json::object{{"firstTimestamp", rfc3339(seen.first_sec)},
                                        {"lastTimestamp", rfc3339(seen.last_sec)},
                                        {"count", seen.count}});
}

std::string event_message(std::string_view text)
{
    std::string out;
    std::size_t room = 0; ///< what fits together with the mark
    while (!text.empty()) {
        const auto character = first_character(text);
        out += shown(character, text);
        if (out.size() <= longest_message - cut_mark.size())
            room = out.size();
        if (out.size() > longest_message)
            return out.substr(0, room).append(cut_mark);
        text.remove_prefix(std::max<std::size_t>(character.bytes, 1));
    }
    return out;
}

bool is_dns_name(std::string_view text)
{
    const auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
    };
    return !text.empty() && text.size() <= 253 && text.front() != '.' && std::ranges::all_of(text, plain);
}

} // namespace naru::kube
