#include "escape.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <fmt/format.h>

namespace naru::ctl {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";
constexpr std::string_view ellipsis = "\xe2\x80\xa6";

struct Rune {
    std::optional<char32_t> value; ///< absent: one byte that is no UTF-8
    std::string_view bytes;
};

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xc0) == 0x80; }

/// The first code point of `text`, which is not empty. Overlong forms, surrogates and what lies beyond
/// U+10FFFF are not UTF-8 (RFC 3629).
Rune first_rune(std::string_view text)
{
    auto lead = static_cast<unsigned char>(text.front());
    if (lead < 0x80)
        return {lead, text.substr(0, 1)};

    Rune broken{std::nullopt, text.substr(0, 1)};
    std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
    constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
    if (lead < 0xc0 || lead >= 0xf8 || text.size() < length)
        return broken;
    char32_t value = lead & (0x7fu >> length);
    for (char byte : text.substr(1, length - 1)) {
        if (!continues(byte))
            return broken;
        value = value << 6 | (static_cast<unsigned char>(byte) & 0x3f);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
        return broken;
    return {value, text.substr(0, length)};
}

template <class Visit>
void each_rune(std::string_view text, Visit visit)
{
    while (!text.empty()) {
        auto rune = first_rune(text);
        visit(rune);
        text.remove_prefix(rune.bytes.size());
    }
}

struct Range {
    char32_t first, last;
};

/// Beyond C0: DEL and C1, marks and overrides of writing direction, line separators, the byte order mark.
constexpr std::array<Range, 7> hidden_ranges{{{0x7f, 0x9f},
                                              {0x61c, 0x61c},
                                              {0x200b, 0x200f},
                                              {0x2028, 0x202e},
                                              {0x2060, 0x2069},
                                              {0xfeff, 0xfeff},
                                              {0xfff9, 0xfffb}}};

bool is_hidden(char32_t value)
{
    return value < 0x20 ||
           std::ranges::any_of(hidden_ranges, [&](Range r) { return value >= r.first && value <= r.last; });
}

} // namespace

std::string escape(std::string_view text)
{
    std::string out;
    each_rune(text, [&](const Rune& rune) {
        if (!rune.value || *rune.value < 0x20 || *rune.value == 0x7f)
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(rune.bytes.front()));
        else if (*rune.value == U'\\')
            out += "\\\\";
        else if (is_hidden(*rune.value))
            out += fmt::format("\\u{{{:x}}}", static_cast<std::uint32_t>(*rune.value));
        else
            out += rune.bytes;
    });
    return out;
}

std::size_t width(std::string_view escaped)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(escaped, [](char byte) { return !continues(byte); }));
}

std::string truncate(std::string_view escaped, std::size_t columns)
{
    if (width(escaped) <= columns)
        return std::string{escaped};
    std::string out;
    std::size_t kept = 0;
    each_rune(escaped, [&](const Rune& rune) {
        if (++kept < columns)
            out += rune.bytes;
    });
    return out.append(columns ? ellipsis : "");
}

std::string valid_utf8(std::string_view text)
{
    std::string out;
    each_rune(text, [&](const Rune& rune) { out += rune.value ? rune.bytes : replacement; });
    return out;
}

std::string json_quote(std::string_view text)
{
    std::string out = "\"";
    each_rune(text, [&](const Rune& rune) {
        if (!rune.value)
            out += replacement;
        else if (*rune.value == U'"' || *rune.value == U'\\')
            out.append("\\").append(rune.bytes);
        else if (is_hidden(*rune.value))
            out += fmt::format("\\u{:04x}", static_cast<std::uint32_t>(*rune.value));
        else
            out += rune.bytes;
    });
    return out += '"';
}

} // namespace naru::ctl
