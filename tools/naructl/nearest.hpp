// Which known word did the user mean?
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace naru::ctl {

/// The word with the fewest edits; nullopt when none is near enough to be meant.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

} // namespace naru::ctl
