#include "output.hpp"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "escape.hpp"

namespace naru::ctl {

namespace {

struct Json {
    std::string operator()(std::monostate) const { return "null"; }
    std::string operator()(bool value) const { return value ? "true" : "false"; }
    std::string operator()(std::uint64_t value) const { return std::to_string(value); }
    std::string operator()(double value) const { return fmt::format("{}", value); }
    std::string operator()(const std::string& value) const { return json_quote(value); }
    std::string operator()(const std::vector<std::string>& values) const
    {
        std::string out = "[";
        for (const auto& value : values)
            out.append(out.size() == 1 ? "" : ", ").append(json_quote(value));
        return out += ']';
    }
};

std::string json(const Table& table)
{
    std::string out = "[";
    for (const auto& row : table.rows) {
        out += out.size() == 1 ? "\n  {" : ",\n  {";
        std::string_view before;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            if (table.columns[i].key.empty())
                continue;
            out.append(before).append(json_quote(table.columns[i].key)).append(": ");
            out += std::visit(Json{}, row.values.at(i));
            before = ", ";
        }
        out += '}';
    }
    return out += table.rows.empty() ? "]\n" : "\n]\n";
}

/// Strings are always quoted, so that none of them can turn into something else.
struct Yaml {
    YAML::Emitter& out;

    void operator()(std::monostate) const { out << YAML::Null; }
    void operator()(bool value) const { out << value; }
    void operator()(std::uint64_t value) const { out << value; }
    void operator()(double value) const { out << fmt::format("{}", value); }
    void operator()(const std::string& value) const { out << YAML::DoubleQuoted << valid_utf8(value); }
    void operator()(const std::vector<std::string>& values) const
    {
        out << YAML::Flow << YAML::BeginSeq;
        for (const auto& value : values)
            (*this)(value);
        out << YAML::EndSeq;
    }
};

std::string yaml(const Table& table)
{
    YAML::Emitter out;
    out.SetOutputCharset(YAML::EscapeNonAscii); // bidirectional controls included
    out << YAML::BeginSeq;
    for (const auto& row : table.rows) {
        out << YAML::BeginMap;
        for (std::size_t i = 0; i < table.columns.size(); ++i) {
            if (table.columns[i].key.empty())
                continue;
            out << YAML::Key << table.columns[i].key << YAML::Value;
            std::visit(Yaml{out}, row.values.at(i));
        }
        out << YAML::EndMap;
    }
    out << YAML::EndSeq;
    return std::string{out.c_str()} + '\n';
}

} // namespace

std::optional<Format> parse_format(std::string_view name)
{
    if (name == "table")
        return Format::table;
    if (name == "wide")
        return Format::wide;
    if (name == "json")
        return Format::json;
    if (name == "yaml")
        return Format::yaml;
    return std::nullopt;
}

std::string render(const Table& table, Format format, bool headers)
{
    switch (format) {
    case Format::json:
        return json(table);
    case Format::yaml:
        return yaml(table);
    case Format::wide:
        return text(table, true, headers);
    case Format::table:
        break;
    }
    return text(table, false, headers);
}

} // namespace naru::ctl
