#include <catch2/catch.hpp>

#include <string>

#include "source/yaml/yaml.hpp"

using naru::yaml::Documents;
using naru::yaml::Kind;

namespace {

std::string repeat(const std::string& text, std::size_t times)
{
    std::string out;
    while (times-- > 0)
        out += text;
    return out;
}

naru::yaml::Problem problem(const std::string& text)
{
    auto documents = Documents::parse(text);
    REQUIRE_FALSE(documents);
    return documents.error();
}

} // namespace

TEST_CASE("values keep their kind, their line and whether they were quoted")
{
    auto documents = Documents::parse("a: 80\nb:\n  - \"80\"\n  - ~\n---\n[x, {y: z}]\n");
    REQUIRE(documents);
    auto roots = documents->roots();
    REQUIRE(roots.size() == 2);

    auto number = roots[0].find("a");
    CHECK(number.scalar() == "80");
    CHECK(number.plain());
    CHECK(number.line() == 1);

    auto list = roots[0].find("b").elements();
    REQUIRE(list.size() == 2);
    CHECK(list[0].scalar() == "80");
    CHECK_FALSE(list[0].plain());
    CHECK(list[0].line() == 3);
    CHECK(list[1].kind() == Kind::null);

    auto second = roots[1].elements();
    REQUIRE(second.size() == 2);
    CHECK(second[0].scalar() == "x");
    CHECK(second[1].find("y").scalar() == "z");
    CHECK(second[1].line() == 6);
}

TEST_CASE("a missing field is null and stands on its parent's line")
{
    auto documents = Documents::parse("a: 1\nb:\n  c: 2\n");
    REQUIRE(documents);
    auto missing = documents->roots()[0].find("b").find("d");
    CHECK(missing.kind() == Kind::null);
    CHECK(missing.line() == 3);
    CHECK(missing.find("e").find("f").kind() == Kind::null);
    CHECK(documents->roots()[0].find("a").find("x").kind() == Kind::null);
    CHECK(missing.elements().empty());
}

TEST_CASE("64 levels are read and the 65th is refused, in every notation")
{
    CHECK(Documents::parse(repeat("[", 64) + repeat("]", 64)));
    CHECK(problem(repeat("[", 65) + repeat("]", 65)).what == "nested more than 64 levels deep");
    CHECK(Documents::parse(repeat("- ", 64) + "x"));
    CHECK(problem(repeat("- ", 65) + "x").what == "nested more than 64 levels deep");
    CHECK(problem(repeat("{a: ", 65) + "x" + repeat("}", 65)).what == "nested more than 64 levels deep");
}

TEST_CASE("a text made to exhaust the parser is refused quickly")
{
    CHECK(problem(repeat("[", 4u << 20)).what == "more than 1000 brackets open");
    CHECK(problem(repeat("\n{a", 2u << 20)).line == 1002);
    CHECK(problem(repeat("- ", 4u << 20)).what == "nested more than 64 levels deep");
    CHECK(problem(std::string(naru::yaml::max_bytes + 1, 'x')).what == "larger than 8 MiB: split it");
}

TEST_CASE("text after the end of a document does not loop for ever")
{
    CHECK(problem("[],[],").what == "text after the end of the document");
    CHECK(problem("{},").line == 1);
}

TEST_CASE("aliases, repeated keys, odd keys and control characters are refused with their line")
{
    auto alias = problem("a: &x 1\nb: *x\n");
    CHECK(alias.line == 2);
    CHECK(alias.what == "aliases are not read: write the value out");

    auto twice = problem("a: 1\nb: 2\na: 3\n");
    CHECK(twice.line == 3);
    CHECK(twice.what == "a key appears twice in one map");

    CHECK(problem("x: 1\n? [a]\n: b\n").line == 2);
    CHECK(problem(std::string{"a: b\nc: \x04\n"}).line == 2);
    CHECK(problem(std::string{"a\0b", 3}).what == "control character 0x00");
    CHECK(problem("a: [1, 2\nb: 3\n").line > 0);
}

TEST_CASE("an empty text and comments hold no values")
{
    for (std::string text : {"", "\n", "# nothing\n", "---\n", "---\n---\n# end\n"}) {
        auto documents = Documents::parse(text);
        REQUIRE(documents);
        for (const auto& root : documents->roots())
            CHECK(root.kind() == Kind::null);
    }
}
