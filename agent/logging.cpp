#include "logging.hpp"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include "text.hpp"

namespace naru {

namespace {

constexpr int debug_verbosity = 4;

/// Set once by configure_logging(); every line goes through it.
struct Output {
    spdlog::logger logger{"naru", std::make_shared<spdlog::sinks::stderr_sink_mt>()};
    bool json = false;
};

Output& output()
{
    static Output out;
    return out;
}

spdlog::level::level_enum spdlog_level(Level level)
{
    switch (level) {
    case Level::debug:
        return spdlog::level::debug;
    case Level::info:
        return spdlog::level::info;
    case Level::warning:
        return spdlog::level::warn;
    case Level::error:
        break;
    }
    return spdlog::level::err;
}

/// Rooms below main log a constant sentence now and then through spdlog itself; it must look the same, and go
/// to stderr.
void follow_with_default_logger(bool json)
{
    auto logger = std::make_shared<spdlog::logger>("", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    if (json)
        logger->set_pattern(R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","msg":"%v"})",
                            spdlog::pattern_time_type::utc);
    else
        logger->set_pattern("%L%m%d %H:%M:%S.%f %v");
    spdlog::set_default_logger(std::move(logger));
}

} // namespace

std::string text_line(std::string_view message, std::span<const Field> fields)
{
    std::string line = escaped(message);
    for (const auto& [key, value] : fields)
        line.append(1, ' ').append(key).append(1, '=').append(quoted_if_needed(value));
    return line;
}

std::string json_members(std::string_view message, std::span<const Field> fields)
{
    std::string members = "\"msg\":" + json_string(message);
    for (const auto& [key, value] : fields)
        members.append(",").append(json_string(key)).append(":").append(json_string(value));
    return members;
}

void configure_logging(bool json, int verbosity)
{
    auto& out = output();
    out.json = json;
    if (json)
        out.logger.set_pattern(R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})",
                               spdlog::pattern_time_type::utc);
    else
        out.logger.set_pattern("%L%m%d %H:%M:%S.%f %v");
    out.logger.set_level(verbosity >= debug_verbosity ? spdlog::level::debug : spdlog::level::info);
    out.logger.flush_on(spdlog::level::trace);
    follow_with_default_logger(json);
}

void log(Level level, std::string_view message, const std::vector<Field>& fields)
{
    auto& out = output();
    out.logger.log(spdlog_level(level), "{}",
                   out.json ? json_members(message, fields) : text_line(message, fields));
}

} // namespace naru
