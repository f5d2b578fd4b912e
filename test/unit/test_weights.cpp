#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/weights.hpp"

using namespace naru;
using namespace naru::test;

namespace {

std::string why_not(std::string_view text)
{
    auto weights = Weights::parse(text);
    return weights ? "it can be read" : weights.error();
}

} // namespace

TEST_CASE("weights are pairs of address and number; who is not named weighs one", "[weights]")
{
    auto weights = Weights::parse("10.0.0.1=3,10.0.0.2=0, fd00::1=65535").value();
    CHECK(weights.of(addr("10.0.0.1")) == 3);
    CHECK(weights.of(addr("10.0.0.2")) == 0);
    CHECK(weights.of(addr("fd00::1")) == 65535);
    CHECK(weights.of(addr("10.0.0.3")) == 1);
}

TEST_CASE("a star is everybody who is not named", "[weights]")
{
    auto weights = Weights::parse("*=5\n10.0.0.1=2\n").value();
    CHECK(weights.of(addr("10.0.0.1")) == 2);
    CHECK(weights.of(addr("10.0.0.9")) == 5);
}

TEST_CASE("nothing written is weight one for all", "[weights]")
{
    for (const auto* text : {"", " ", ",,\n"})
        CHECK(Weights::parse(text).value().of(addr("10.0.0.1")) == 1);
}

TEST_CASE("what cannot be read is named, and none of it holds", "[weights]")
{
    for (const auto* pair : {"10.0.0.1", "10.0.0.1=", "10.0.0.1=-1", "10.0.0.1=65536", "10.0.0.1=3x",
                             "10.0.0.1=+3", "10.0.0.1=1.5", "10.0.0.1==3", "=3"})
        CHECK(why_not(std::string{"10.0.0.9=2,"} + pair).starts_with('"' + std::string{pair} + "\" "));
    CHECK(why_not("web-0=3") == "\"web-0=3\" names neither an address nor *");
    CHECK(why_not("10.0.0.1=3,10.0.0.1=3") == "\"10.0.0.1\" is there twice");
    CHECK(why_not("*=1,*=1") == "\"*=1\" is there twice");
}

TEST_CASE("an annotation that is too long is not looked at, and not quoted whole", "[weights]")
{
    std::string text;
    while (text.size() <= longest_weights)
        text += "10.0.0.1=1,";
    CHECK(why_not(text).contains("longer than 64 KiB"));
    CHECK(why_not(std::string(1000, 'x')).size() < 150);
    text = "10.0.0.1=7" + std::string(longest_weights - 10, ' ');
    CHECK(Weights::parse(text).value().of(addr("10.0.0.1")) == 7);
}
