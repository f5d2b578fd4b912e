#include "text.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

namespace naru {

namespace {

bool is_printable(char c) { return c >= ' ' && c <= '~'; }

std::string with_backslashes(std::string_view text, std::string_view special)
{
    std::string out;
    for (const char c : text) {
        if (special.find(c) != std::string_view::npos)
            out += '\\';
        out += c;
    }
    return out;
}

} // namespace

std::string escaped(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (c == '\\')
            out += "\\\\";
        else if (is_printable(c))
            out += c;
        else
            fmt::format_to(std::back_inserter(out), "\\x{:02x}", static_cast<unsigned char>(c));
    }
    return out;
}

std::string quoted_if_needed(std::string_view text)
{
    auto safe = escaped(text);
    if (!safe.empty() && safe.find_first_of(" \"=") == std::string::npos)
        return safe;
    return '"' + with_backslashes(safe, "\"") + '"';
}

std::string json_string(std::string_view text)
{
    std::string plain;
    for (const char c : text)
        if (is_printable(c))
            plain += c;
        else
            fmt::format_to(std::back_inserter(plain), "\\x{:02x}", static_cast<unsigned char>(c));
    return '"' + with_backslashes(plain, "\"\\") + '"';
}

} // namespace naru
