#include "report.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace naru::bench {

const Series* Row::find(const std::string& name) const
{
    auto found = std::ranges::find(series, name, &Series::name);
    return found == series.end() ? nullptr : &*found;
}

Verdict judge(const Row& row, const Target& target)
{
    const Series* subject = row.find(target.subject);
    const Series* over = target.over.empty() ? nullptr : row.find(target.over);
    if (!subject || (!target.over.empty() && !over))
        return {};
    double value = over ? paired_ratio(subject->rounds, over->rounds) : median(subject->rounds);
    return {value, value <= target.limit};
}

bool Report::all_met() const
{
    return std::ranges::all_of(rows, [](const Row& row) {
        return std::ranges::all_of(row.targets, [&](const Target& target) { return judge(row, target).met; });
    });
}

std::vector<const Row*> Report::restless() const
{
    std::vector<const Row*> found;
    for (const auto& row : rows)
        if (row.floor_spread > most_spread)
            found.push_back(&row);
    return found;
}

Row make_row(std::string group, std::string title, std::string unit, const std::vector<Subject>& subjects,
             Measured measured)
{
    Row row;
    row.group = std::move(group);
    row.title = std::move(title);
    row.unit = std::move(unit);
    row.floor_spread = measured.floor_spread;
    row.attempts = measured.attempts;
    for (std::size_t i = 0; i < subjects.size(); ++i)
        row.series.push_back({subjects[i].name, std::move(measured.rounds[i])});
    return row;
}

namespace {

std::string number(double value)
{
    if (value >= 1000)
        return fmt::format("{:.0f}", value);
    return value >= 100 ? fmt::format("{:.0f}", value) : fmt::format("{:.1f}", value);
}

std::string header(const Report& report)
{
    const auto& m = report.machine;
    std::string out =
        fmt::format("naru-bench: {}, {}, {} CPUs, {}; {}; JIT {}; load {:.2f}\n", m.kernel, m.cpu, m.cpus,
                    m.pinned_to < 0 ? "not pinned" : fmt::format("pinned to CPU {}", m.pinned_to),
                    m.compilers, m.jit ? "on" : "OFF", m.load);
    if (!m.optimized)
        out += "compiled without optimization: the figures of the tables group mean nothing\n";
    if (m.stats)
        out +=
            "kernel.bpf_stats_enabled is set and adds to every run: sysctl -w kernel.bpf_stats_enabled=0\n";
    if (report.quick)
        out += "quick: shows that everything runs, too short to compare\n";
    return out;
}

std::string described(const Row& row, const Target& target)
{
    auto verdict = judge(row, target);
    const char* met = verdict.met ? "met" : "NOT met";
    if (target.over.empty())
        return fmt::format("{} {} <= {}: {}", target.subject, row.unit, target.limit, met);
    return fmt::format("{} {:.2f}x {} <= {}x: {}", target.subject, verdict.value, target.over, target.limit,
                       met);
}

/// What stands behind the figures: targets, a note, doubts.
std::string remarks(const Row& row, double most_spread)
{
    std::vector<std::string> all;
    for (const auto& target : row.targets)
        all.push_back(described(row, target));
    if (!row.note.empty())
        all.push_back(row.note);
    if (row.floor_spread > most_spread)
        all.push_back(fmt::format("floor spreads by {:.0f} %", row.floor_spread * 100));
    return fmt::format("{}", fmt::join(all, "; "));
}

/// One line of cells for each row, first the heads.
using Lines = std::vector<std::vector<std::string>>;

Lines lines_of(const std::vector<const Row*>& rows, double most_spread)
{
    Lines lines;
    std::vector<std::string> heads{"case"};
    for (const auto& series : rows.front()->series)
        heads.push_back(series.name);
    for (const auto& other : rows.front()->compared)
        heads.push_back(fmt::format("/{}", other));
    heads.emplace_back("target");
    lines.push_back(heads);

    for (const Row* row : rows) {
        std::vector<std::string> line{row->title};
        for (const auto& series : row->series)
            line.push_back(
                fmt::format("{} ({})", number(median(series.rounds)), number(minimum(series.rounds))));
        const Series* subject = row->find(row->subject);
        for (const auto& other : row->compared) {
            const Series* against = row->find(other);
            line.push_back(subject && against
                               ? fmt::format("{:.2f}x", paired_ratio(subject->rounds, against->rounds))
                               : "-");
        }
        line.push_back(remarks(*row, most_spread));
        lines.push_back(line);
    }
    return lines;
}

std::string aligned(const Lines& lines)
{
    std::vector<std::size_t> widths;
    for (const auto& line : lines) {
        widths.resize(std::max(widths.size(), line.size()));
        for (std::size_t i = 0; i < line.size(); ++i)
            widths[i] = std::max(widths[i], line[i].size());
    }
    std::string out;
    for (const auto& line : lines) {
        std::string row;
        for (std::size_t i = 0; i < line.size(); ++i)
            row += i == 0 || i + 1 == line.size() ? fmt::format("  {:<{}}", line[i], widths[i])
                                                  : fmt::format("  {:>{}}", line[i], widths[i]);
        row.erase(row.find_last_not_of(' ') + 1);
        out += row + '\n';
    }
    return out;
}

std::string quoted(const std::string& value)
{
    std::string out = "\"";
    for (char c : value) {
        if (c == '"' || c == '\\')
            out += '\\';
        if (static_cast<unsigned char>(c) < 0x20)
            out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
        else
            out += c;
    }
    return out += '"';
}

std::string json_row(const Row& row, double most_spread)
{
    std::string out = fmt::format("{{\"group\": {}, \"case\": {}, \"unit\": {}, \"floor_spread\": {:.4f}, "
                                  "\"restless\": {}, \"attempts\": {}, \"series\": [",
                                  quoted(row.group), quoted(row.title), quoted(row.unit), row.floor_spread,
                                  row.floor_spread > most_spread, row.attempts);
    const Series* subject = row.find(row.subject);
    for (const auto& series : row.series) {
        out += fmt::format("{}{{\"name\": {}, \"median\": {:.3f}, \"minimum\": {:.3f}",
                           out.ends_with('[') ? "" : ", ", quoted(series.name), median(series.rounds),
                           minimum(series.rounds));
        if (subject && std::ranges::find(row.compared, series.name) != row.compared.end())
            out += fmt::format(", \"subject_over_it\": {:.4f}", paired_ratio(subject->rounds, series.rounds));
        out += '}';
    }
    out += fmt::format("], \"subject\": {}, \"targets\": [", quoted(row.subject));
    for (const auto& target : row.targets) {
        auto verdict = judge(row, target);
        out += fmt::format(
            "{}{{\"subject\": {}, \"over\": {}, \"limit\": {}, \"value\": {:.4f}, \"met\": {}}}",
            out.ends_with('[') ? "" : ", ", quoted(target.subject),
            target.over.empty() ? "null" : quoted(target.over), target.limit, verdict.value, verdict.met);
    }
    out += "]";
    if (!row.note.empty())
        out += fmt::format(", \"note\": {}", quoted(row.note));
    return out += '}';
}

} // namespace

std::string text(const Report& report)
{
    std::string out = header(report);
    std::vector<const Row*> table;
    auto flush = [&] {
        if (table.empty())
            return;
        out += fmt::format("\n{}, {}: median (minimum) of {} rounds; /X: {} over X\n", table.front()->group,
                           table.front()->unit, table.front()->series.front().rounds.size(),
                           table.front()->subject);
        out += aligned(lines_of(table, report.most_spread));
        table.clear();
    };
    auto same_table = [](const Row& a, const Row& b) {
        return a.group == b.group && a.unit == b.unit &&
               std::ranges::equal(a.series, b.series, {}, &Series::name, &Series::name);
    };
    for (const auto& row : report.rows) {
        if (!table.empty() && !same_table(*table.front(), row))
            flush();
        table.push_back(&row);
    }
    flush();
    for (const auto& remark : report.remarks)
        out += fmt::format("\n{}\n", remark);
    if (auto restless = report.restless(); !report.quick && !restless.empty())
        out += fmt::format(
            "\nRESTLESS: the floor of {} of {} cases spreads by more than {:.0f} % from round to round: "
            "the machine is busy, do not quote them\n",
            restless.size(), report.rows.size(), report.most_spread * 100);
    return out;
}

std::string json(const Report& report)
{
    const auto& m = report.machine;
    std::string out =
        fmt::format("{{\n  \"machine\": {{\"kernel\": {}, \"cpu\": {}, \"cpus\": {}, \"pinned_to\": {}, "
                    "\"compilers\": {}, \"jit\": {}, \"bpf_stats\": {}, \"optimized\": {}, \"load\": "
                    "{:.2f}}},\n  \"quick\": {},\n  \"rows\": [",
                    quoted(m.kernel), quoted(m.cpu), m.cpus, m.pinned_to, quoted(m.compilers), m.jit, m.stats,
                    m.optimized, m.load, report.quick);
    for (const auto& row : report.rows)
        out += (out.ends_with('[') ? "\n    " : ",\n    ") + json_row(row, report.most_spread);
    out += "\n  ],\n  \"remarks\": [";
    for (const auto& remark : report.remarks)
        out += fmt::format("{}{}", out.ends_with('[') ? "" : ", ", quoted(remark));
    return out += "]\n}\n";
}

} // namespace naru::bench
