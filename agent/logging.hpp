// One line a happening on stderr: a sentence and fields, as key=value text or as JSON. Everything that comes
// from outside goes through escaped() here, so callers need not think of it.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace naru {

/// error: someone must act; warning: something is refused or degraded; info: state changes; debug: the rest.
enum class Level { debug, info, warning, error };

struct Field {
    std::string_view key;
    std::string value;
};

/// `verbosity` as kube-proxy's -v: from 4 on debug lines are shown.
void configure_logging(bool json, int verbosity);

void log(Level level, std::string_view message, const std::vector<Field>& fields = {});

/// The line behind time and level: `message key=value key="two words"`.
std::string text_line(std::string_view message, std::span<const Field> fields);

/// Members of a JSON object without its braces: `"msg":"...","key":"value"`.
std::string json_members(std::string_view message, std::span<const Field> fields);

} // namespace naru
