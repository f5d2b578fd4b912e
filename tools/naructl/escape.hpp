// Strings that came from an API object or a map are untrusted: nothing in them may steer a terminal or break
// a document.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace naru::ctl {

/// For a terminal: control characters (C0, C1, DEL), invalid UTF-8, line separators and bidirectional
/// controls become
/// `\xNN` or `\u{...}`, a backslash `\\`.
std::string escape(std::string_view text);

/// Columns that escaped text takes: its code points.
std::size_t width(std::string_view escaped);

/// At most `columns` of escaped text; what was cut off is marked by an ellipsis in the last one.
std::string truncate(std::string_view escaped, std::size_t columns);

/// Every byte that is no UTF-8 becomes U+FFFD: for documents, which have escapes of their own for the rest.
std::string valid_utf8(std::string_view text);

/// A JSON string with its quotes. What a terminal could obey is written as \uXXXX.
std::string json_quote(std::string_view text);

} // namespace naru::ctl
