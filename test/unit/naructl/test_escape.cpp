#include "naructl/escape.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace naru::ctl;
using namespace std::string_literals;

TEST_CASE("ordinary text, of any language, stays as it is")
{
    CHECK(escape("shop/web:http") == "shop/web:http");
    CHECK(escape("zürich-東京") == "zürich-東京");
}

TEST_CASE("what could steer a terminal is printed as a number")
{
    CHECK(escape("a\x1b[2Jb") == "a\\x1b[2Jb");
    CHECK(escape("a\nb\tc\r") == "a\\x0ab\\x09c\\x0d");
    CHECK(escape("a\x7f") == "a\\x7f");
    CHECK(escape("nul\0end"s) == "nul\\x00end");
    CHECK(escape("csi\xc2\x9b") == "csi\\u{9b}");
}

TEST_CASE("what could reorder or hide text is printed as a number")
{
    CHECK(escape("a\u202eb") == "a\\u{202e}b");
    CHECK(escape("a\u2066b\u2069") == "a\\u{2066}b\\u{2069}");
    CHECK(escape("\u200f\u061c") == "\\u{200f}\\u{61c}");
    CHECK(escape("a\u2028b\ufeff") == "a\\u{2028}b\\u{feff}");
}

TEST_CASE("an escape cannot be forged") { CHECK(escape("\\x1b") == "\\\\x1b"); }

TEST_CASE("bytes that are no UTF-8 are printed one by one")
{
    CHECK(escape("\xff") == "\\xff");
    CHECK(escape("\xc3") == "\\xc3");
    CHECK(escape("\xc3(") == "\\xc3(");
    CHECK(escape("\x80") == "\\x80");
    CHECK(escape("\xc0\xaf") == "\\xc0\\xaf");                   // overlong slash
    CHECK(escape("\xed\xa0\x80") == "\\xed\\xa0\\x80");          // surrogate
    CHECK(escape("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80"); // beyond U+10FFFF
}

TEST_CASE("no input escapes to a control character")
{
    for (int first = 0; first < 256; ++first)
        for (int second = 0; second < 256; ++second) {
            auto escaped = escape(std::string{static_cast<char>(first), static_cast<char>(second)});
            bool calm =
                std::ranges::none_of(escaped, [](char c) { return (c >= 0 && c < 0x20) || c == 0x7f; });
            REQUIRE(calm);
            REQUIRE(valid_utf8(escaped) == escaped);
        }
}

TEST_CASE("width counts code points, truncation keeps them whole and leaves a mark")
{
    CHECK(width("zürich") == 6);
    CHECK(naru::ctl::truncate("zürich", 6) == "zürich");
    CHECK(naru::ctl::truncate("zürich", 3) == "zü…");
    CHECK(width(naru::ctl::truncate("zürich", 3)) == 3);
    CHECK(naru::ctl::truncate("zürich", 0).empty());
}

TEST_CASE("JSON strings use standard escapes and show what was no UTF-8")
{
    CHECK(json_quote("a\"b\\c") == R"("a\"b\\c")");
    CHECK(json_quote("a\nb") == R"("a\u000ab")");
    CHECK(json_quote("a\u202e\xc2\x9b") == R"("a\u202e\u009b")");
    CHECK(json_quote("a\xff") == "\"a\ufffd\"");
    CHECK(json_quote("zürich") == "\"zürich\"");
}
