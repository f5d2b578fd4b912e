#include "options.hpp"

#include <CLI/CLI.hpp>

namespace naru::bench {

CommandLine parse_command_line(int argc, const char* const* argv, const std::vector<std::string>& groups)
{
    CommandLine line;
    std::string output = "table";
    CLI::App app{
        "Measures naru beside what would be the least and what others do, in turns, and prints ratios."};
    app.name("naru-bench");
    app.add_option("--only", line.options.only, "measure this group; may be given again")
        ->check(CLI::IsMember(groups));
    app.add_option("-o,--output", output, "table or json")->check(CLI::IsMember({"table", "json"}));
    app.add_flag("--quick", line.options.quick,
                 "show that everything runs; the figures are too short to compare");
    app.add_flag("--check", line.options.check, "exit 1 when a target is missed");
    app.footer("Exit codes: 0 measured; 1 cannot run, or a target is missed with --check; 2 bad flags; "
               "3 the machine is too restless to measure on.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        line.exit_code = 0;
        line.output = app.help();
    } catch (const CLI::ParseError& bad) {
        line.exit_code = 2;
        line.output = std::string{"naru-bench: "} + bad.what() + " (see naru-bench --help)\n";
    }
    if (line.options.quick && line.options.check && !line.exit_code) {
        line.exit_code = 2;
        line.output = "naru-bench: --quick is too short for --check: leave one of them out\n";
    }
    line.options.json = output == "json";
    return line;
}

} // namespace naru::bench
