// Strings of unknown origin (files, the API, the kernel) as text that cannot mislead its reader.
#pragma once

#include <string>
#include <string_view>

namespace naru {

/// Printable ASCII as it is; a backslash doubled, every other byte as \xNN.
std::string escaped(std::string_view text);

/// escaped(), in double quotes where it is empty or holds a space, a quote or an equals sign: a value of
/// key=value.
std::string quoted_if_needed(std::string_view text);

/// A JSON string, quotes included. Bytes beyond ASCII appear as the text \xNN, so that the result is valid
/// whatever came in.
std::string json_string(std::string_view text);

} // namespace naru
