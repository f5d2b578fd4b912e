#include "time.hpp"

#include <charconv>
#include <chrono>

namespace naru {

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::optional<unsigned> whole_number(std::string_view text)
{
    unsigned value = 0;
    auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
    return value;
}

/// "+02:00", "-0130" is not allowed, "Z": seconds east of Greenwich.
std::optional<std::int64_t> parse_offset(std::string_view text)
{
    if (text == "Z" || text == "z")
        return 0;
    if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' || !is_digit(text[1]) ||
        !is_digit(text[4]))
        return std::nullopt;
    auto hours = whole_number(text.substr(1, 2)), minutes = whole_number(text.substr(4, 2));
    if (!hours || !minutes || *hours > 23 || *minutes > 59)
        return std::nullopt;
    auto seconds = static_cast<std::int64_t>(*hours * 3600 + *minutes * 60);
    return text[0] == '+' ? seconds : -seconds;
}

} // namespace

std::optional<std::int64_t> parse_time(std::string_view text)
{
    constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd";
    if (text.size() <= shape.size())
        return std::nullopt;
    for (std::size_t i = 0; i < shape.size(); ++i)
        if (shape[i] == 'd'   ? !is_digit(text[i])
            : shape[i] == 'T' ? (text[i] | 0x20) != 't'
                              : text[i] != shape[i])
            return std::nullopt;

    auto at = [&](std::size_t begin, std::size_t length) {
        return *whole_number(text.substr(begin, length));
    };
    std::chrono::year_month_day day{std::chrono::year{static_cast<int>(at(0, 4))},
                                    std::chrono::month(at(5, 2)), std::chrono::day(at(8, 2))};
    if (!day.ok() || at(11, 2) > 23 || at(14, 2) > 59 || at(17, 2) > 60)
        return std::nullopt;

    auto rest = text.substr(shape.size());
    if (rest[0] == '.') {
        auto end = rest.find_first_not_of("0123456789", 1);
        if (end == 1 || end == std::string_view::npos)
            return std::nullopt;
        rest.remove_prefix(end);
    }
    auto offset = parse_offset(rest);
    if (!offset)
        return std::nullopt;
    std::int64_t days = std::chrono::sys_days{day}.time_since_epoch().count();
    return days * 86400 + at(11, 2) * 3600 + at(14, 2) * 60 + at(17, 2) - *offset;
}

} // namespace naru
