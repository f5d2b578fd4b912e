// What a verb answers: rows of typed values. How they look is decided in one place.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

namespace naru::ctl {

/// Unknown is monostate: an empty cell, null in documents.
using Value =
    std::variant<std::monostate, bool, std::uint64_t, double, std::string, std::vector<std::string>>;

struct Column {
    std::string header; ///< empty: not in tables
    std::string key;    ///< empty: not in documents; a key is never renamed or removed
    bool wide = false;  ///< in tables only with -o wide
};

struct Row {
    std::vector<Value> values; ///< one for each column
    bool wide = false;         ///< in tables only with -o wide
};

struct Table {
    std::vector<Column> columns;
    std::vector<Row> rows;
};

/// Aligned text. Cells are escaped, and but for the last of a line truncated unless `wide`. Columns that no
/// row fills keep their place.
std::string text(const Table& table, bool wide, bool headers);

} // namespace naru::ctl
