#include "table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "escape.hpp"

namespace naru::ctl {

namespace {

constexpr std::size_t widest_cell = 64;
constexpr std::size_t gap = 2;

struct Show {
    std::string operator()(std::monostate) const { return ""; }
    std::string operator()(bool value) const { return value ? "yes" : "no"; }
    std::string operator()(std::uint64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return escape(value); }
    std::string operator()(const std::vector<std::string>& values) const
    {
        std::string out;
        for (const auto& value : values)
            out.append(out.empty() ? "" : ",").append(escape(value));
        return out;
    }
};

void append_line(std::string& out, const std::vector<std::string>& cells,
                 const std::vector<std::size_t>& widths)
{
    std::size_t end = out.size();
    for (std::size_t i = 0; i < cells.size(); ++i) {
        out += cells[i];
        if (!cells[i].empty())
            end = out.size();
        out.append(widths[i] - width(cells[i]) + gap, ' ');
    }
    out.resize(end); // no blanks at the end of a line
    out += '\n';
}

} // namespace

std::string text(const Table& table, bool wide, bool headers)
{
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < table.columns.size(); ++i)
        if (!table.columns[i].header.empty() && (wide || !table.columns[i].wide))
            shown.push_back(i);

    std::vector<std::vector<std::string>> lines;
    if (headers) {
        auto& line = lines.emplace_back();
        for (auto i : shown)
            line.push_back(table.columns[i].header);
    }
    for (const auto& row : table.rows) {
        if (row.wide && !wide)
            continue;
        auto& line = lines.emplace_back();
        for (auto i : shown) {
            auto cell = std::visit(Show{}, row.values.at(i));
            bool last = i == shown.back(); // nothing behind it that could lose its column
            line.push_back(wide || last ? cell : truncate(cell, widest_cell));
        }
    }

    std::vector<std::size_t> widths(shown.size());
    for (const auto& line : lines)
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], width(line[i]));
    std::string out;
    for (const auto& line : lines)
        append_line(out, line, widths);
    return out;
}

} // namespace naru::ctl
