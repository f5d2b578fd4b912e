// Times as Kubernetes writes them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace naru {

/// RFC 3339 ("2024-05-01T10:00:00Z", fractions and offsets allowed) as Unix time, rounded down.
std::optional<std::int64_t> parse_time(std::string_view text);

} // namespace naru
