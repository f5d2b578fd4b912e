#include <catch2/catch.hpp>

#include "source/manifest/fields.hpp"

using naru::Fields;
using naru::printable;

TEST_CASE("text of others is harmless in a message")
{
    CHECK(printable("web-1") == "web-1");
    CHECK(printable("a\n\x1b[31mb\xff") == "a\\x0a\\x1b[31mb\\xff");
    CHECK(printable(std::string(100, 'x')) == std::string(64, 'x') + "...");
}

TEST_CASE("only the first thing that is wrong is told")
{
    auto documents = naru::yaml::Documents::parse("ready: maybe\nport: many\n");
    REQUIRE(documents);
    auto root = documents->roots()[0];
    Fields fields;
    CHECK_FALSE(fields.boolean(root, "ready"));
    CHECK_FALSE(fields.port(root, "port"));
    REQUIRE(fields.problem());
    CHECK(fields.problem()->line == 1);
    CHECK(fields.problem()->what == "ready: must be true or false");
}

TEST_CASE("a plain scalar of another type is not text, a quoted one is")
{
    for (const char* plain : {"80", "true", "No", "ON", "1.5", "0x1f", "-3", "1e3", "+7"}) {
        CAPTURE(plain);
        auto documents = naru::yaml::Documents::parse(std::string{"name: "} + plain);
        REQUIRE(documents);
        Fields fields;
        CHECK_FALSE(fields.text(documents->roots()[0], "name"));
        CHECK(fields.problem());
    }
    for (const char* word :
         {"\"80\"", "'true'", "!!str 80", "10.0.0.1", "fd00::1", "web", "1password", "-x", "nan"}) {
        CAPTURE(word);
        auto documents = naru::yaml::Documents::parse(std::string{"name: "} + word);
        REQUIRE(documents);
        Fields fields;
        CHECK(fields.text(documents->roots()[0], "name"));
        CHECK_FALSE(fields.problem());
    }
}
