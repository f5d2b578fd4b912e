#include <catch2/catch.hpp>

#include "bench/options.hpp"

using namespace naru::bench;

namespace {

CommandLine parse(std::vector<const char*> words)
{
    words.insert(words.begin(), "naru-bench");
    return parse_command_line(static_cast<int>(words.size()), words.data(), {"tc", "tables"});
}

} // namespace

TEST_CASE("without flags everything is measured and shown as a table")
{
    auto line = parse({});
    CHECK_FALSE(line.exit_code);
    CHECK(line.options.only.empty());
    CHECK_FALSE(line.options.json);
    CHECK_FALSE(line.options.check);
    CHECK_FALSE(line.options.quick);
}

TEST_CASE("groups can be picked")
{
    auto line = parse({"--only", "tc", "--only", "tables", "-o", "json", "--check"});
    CHECK_FALSE(line.exit_code);
    CHECK(line.options.only == std::vector<std::string>{"tc", "tables"});
    CHECK(line.options.json);
    CHECK(line.options.check);
}

TEST_CASE("bad flags are told apart from a bench that cannot run")
{
    for (auto words : {std::vector<const char*>{"--only", "nonsense"},
                       {"-o", "xml"},
                       {"--fast"},
                       {"--quick", "--check"}}) {
        auto line = parse(words);
        INFO(words.front());
        CHECK(line.exit_code == 2);
        CHECK_THAT(line.output, Catch::StartsWith("naru-bench: "));
    }
}

TEST_CASE("help is no error")
{
    auto line = parse({"--help"});
    CHECK(line.exit_code == 0);
    CHECK_THAT(line.output, Catch::Contains("--only") && Catch::Contains("Exit codes"));
}
