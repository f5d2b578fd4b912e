#include "naructl/output.hpp"

#include <catch2/catch.hpp>
#include <yaml-cpp/yaml.h>

using namespace naru::ctl;

namespace {

Table example()
{
    return {{{"ID", "id"},
             {"NAME", "name"},
             {"NOTE", "note", true},
             {"", "ready"},
             {"", "share"},
             {"STATES", "states"}},
            {{{std::uint64_t{7}, "web", "x", true, 0.3333, std::vector<std::string>{"ready", "local"}}},
             {{std::uint64_t{12}, "a\x1b[31m", {}, false, 1.0, std::vector<std::string>{}}},
             {{std::uint64_t{13}, "hidden", "y", false, 0.0, std::vector<std::string>{}}, true}}};
}

} // namespace

TEST_CASE("a table is aligned, escaped and has no blanks at line ends")
{
    CHECK(render(example(), Format::table, true) == "ID  NAME       STATES\n"
                                                    "7   web        ready,local\n"
                                                    "12  a\\x1b[31m\n");
}

TEST_CASE("wide shows more columns and more rows")
{
    CHECK(render(example(), Format::wide, true) == "ID  NAME       NOTE  STATES\n"
                                                   "7   web        x     ready,local\n"
                                                   "12  a\\x1b[31m\n"
                                                   "13  hidden     y\n");
}

TEST_CASE("without headers the first line is data and columns are as narrow as it allows")
{
    CHECK(render(example(), Format::table, false).starts_with("7   web        ready"));
}

TEST_CASE("a long cell is truncated in a table, unless it is the last, and whole in a wide one")
{
    Table table{{{"NAME", "name"}, {"NOTE", "note"}}, {{{std::string(100, 'a'), std::string(100, 'b')}}}};
    auto last = "  " + std::string(100, 'b') + "\n";
    CHECK(render(table, Format::table, false) == std::string(63, 'a') + "…" + last);
    CHECK(render(table, Format::wide, false) == std::string(100, 'a') + last);
    CHECK(render(table, Format::json, false).contains(std::string(100, 'a')));
}

TEST_CASE("JSON is an array of flat objects with every row, keys in their order")
{
    CHECK(render(example(), Format::json, true) ==
          R"([
  {"id": 7, "name": "web", "note": "x", "ready": true, "share": 0.3333, "states": ["ready", "local"]},
  {"id": 12, "name": "a\u001b[31m", "note": null, "ready": false, "share": 1, "states": []},
  {"id": 13, "name": "hidden", "note": "y", "ready": false, "share": 0, "states": []}
]
)");
    CHECK(render({{{"ID", "id"}}, {}}, Format::json, true) == "[]\n");
}

TEST_CASE("YAML says the same as JSON, with strings that stay strings")
{
    auto table = example();
    table.rows[0].values[1] = "yes";
    table.rows[1].values[1] = "a: [b\u202e\n";
    auto text = render(table, Format::yaml, true);
    CHECK(text.contains("name: \"yes\""));
    CHECK_FALSE(text.contains("\u202e"));
    auto read = YAML::Load(text);
    REQUIRE(read.size() == 3);
    CHECK(read[0]["id"].as<int>() == 7);
    CHECK(read[0]["states"][1].as<std::string>() == "local");
    CHECK(read[0]["share"].as<double>() == Approx(0.3333));
    CHECK(read[1]["name"].as<std::string>() == "a: [b\u202e\n");
    CHECK(read[1]["note"].IsNull());
    CHECK(render({{{"ID", "id"}}, {}}, Format::yaml, true) == "[]\n");
}
