// Lines of the log: what comes from outside cannot forge or break them.
#include <catch2/catch.hpp>

#include "logging.hpp"
#include "text.hpp"

using namespace naru;

TEST_CASE("fields follow the sentence as key=value")
{
    const std::vector<Field> fields{{"service", "shop/web"}, {"reason", "two words"}, {"zone", ""}};
    CHECK(text_line("change refused", fields) ==
          R"(change refused service=shop/web reason="two words" zone="")");
    CHECK(json_members("change refused", fields) ==
          R"("msg":"change refused","service":"shop/web","reason":"two words","zone":"")");
}

TEST_CASE("a line feed, a terminal sequence or a foreign byte cannot leave its value")
{
    const std::vector<Field> fields{{"file", "a\nE0101 forged=1"}, {"name", "\x1b[31mred\xff"}};
    CHECK(text_line("x\ny", fields) == R"(x\x0ay file="a\x0aE0101 forged=1" name=\x1b[31mred\xff)");
    CHECK(json_members("x\ny", fields) ==
          R"("msg":"x\\x0ay","file":"a\\x0aE0101 forged=1","name":"\\x1b[31mred\\xff")");
}

TEST_CASE("quotes and backslashes cannot end a value early")
{
    CHECK(quoted_if_needed(R"(a" b="c)") == R"("a\" b=\"c")");
    CHECK(quoted_if_needed(R"(a\" b)") == R"("a\\\" b")");
    CHECK(json_string(R"(a"b\c)") == R"("a\"b\\c")");
}
