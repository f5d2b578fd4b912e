// A table in the form the user asked for.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "table.hpp"

namespace naru::ctl {

enum class Format { table, wide, json, yaml };

std::optional<Format> parse_format(std::string_view name);

/// JSON and YAML: an array of flat objects, all rows, all keys, in the order of the columns.
std::string render(const Table& table, Format format, bool headers);

} // namespace naru::ctl
