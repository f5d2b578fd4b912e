#include "model/name.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace {

using naru::Name;

/// Whether both hold the very same characters in memory.
bool shares(const Name& a, const Name& b) { return a.view().data() == b.view().data(); }

TEST_CASE("names of equal text are equal, share it and compare with any text")
{
    Name name = "web";
    std::string text = "we";
    Name same = text + 'b';
    CHECK(name == same);
    CHECK(shares(name, same));
    CHECK(name == "web");
    CHECK(std::string{"web"} == name);
    CHECK(name != Name{"we"});
    CHECK(name != "we");
    CHECK(std::optional{name} == std::string_view{"web"});
}

TEST_CASE("an empty name is the one that nobody wrote")
{
    CHECK(Name{} == Name{""});
    CHECK(Name{std::string{}}.empty());
    CHECK(Name{}.view().empty());
    CHECK_FALSE(Name{"a"}.empty());
    CHECK(Name{} < Name{"a"});
}

TEST_CASE("names are ordered as their texts are, zero bytes included")
{
    std::vector<std::string> texts{"b",    "", "a", "ab", std::string{"a\0b", 3}, std::string{"a\0", 2},
                                   "\xff", "a"};
    std::vector<Name> names(texts.begin(), texts.end());
    std::ranges::sort(texts);
    std::ranges::sort(names);
    CHECK(std::equal(names.begin(), names.end(), texts.begin(), texts.end()));
}

TEST_CASE("a name outlives the text and the names it came from")
{
    std::optional<std::string> text{"a text too long for any short form"};
    std::optional<Name> first{*text};
    Name second = *first;
    text.reset();
    first.reset();
    CHECK(second == "a text too long for any short form");
    Name third = std::move(second);
    second = "another";
    CHECK(third == "a text too long for any short form");
    third = third;
    CHECK(third + "!" == "a text too long for any short form!");
    CHECK("~" + third == "~a text too long for any short form");
}

TEST_CASE("ten thousand names come and go and every one that stays is found again")
{
    auto text = [](int i) { return "name-" + std::to_string(i * 7919); };
    std::deque<Name> names;
    for (int i = 0; i < 10'000; ++i) {
        names.emplace_back(text(i));
        if (i % 3 == 0)
            names.pop_front();
    }
    auto next = 10'000 - static_cast<int>(names.size());
    bool all_shared =
        std::ranges::all_of(names, [&](const Name& name) { return shares(name, Name{text(next++)}); });
    CHECK(all_shared);
    CHECK(next == 10'000);
}

} // namespace
