// The command line, as a value.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/result.hpp"

namespace naru::bench {

struct Options {
    std::vector<std::string> only; ///< empty: all groups
    bool quick = false;
    bool check = false;
    bool json = false;
};

struct CommandLine {
    Options options;
    std::optional<int> exit_code; ///< set: print `output` and leave with it
    std::string output;
};

CommandLine parse_command_line(int argc, const char* const* argv, const std::vector<std::string>& groups);

} // namespace naru::bench
