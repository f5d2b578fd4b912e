// naru-agent: flags, log, exit code. What it does is in run_agent.cpp.
#include <cstdio>

#include "config.hpp"
#include "datapath/datapath.hpp"
#include "logging.hpp"
#include "open_files.hpp"
#include "run_agent.hpp"

namespace {

constexpr int cannot_run = 1;

naru::Result<> run(const naru::Config& config)
{
    if (!config.cleanup) {
        naru::allow_many_open_files();
        return naru::run_agent(config);
    }
    auto cleaned = naru::Datapath::cleanup(config.datapath.bpf_path);
    if (cleaned)
        naru::log(naru::Level::info, "nothing of naru is left",
                  {{"bpf-path", config.datapath.bpf_path.string()}});
    return cleaned;
}

} // namespace

int main(int argc, char** argv)
{
    const auto command_line = naru::parse_command_line(argc, argv);
    if (command_line.exit_code) {
        std::fputs(command_line.output.c_str(), *command_line.exit_code == 0 ? stdout : stderr);
        return *command_line.exit_code;
    }
    const auto& config = command_line.config;
    naru::configure_logging(config.log_json, config.verbosity);
    if (auto done = run(config); !done) {
        naru::log(naru::Level::error, done.error().message());
        return cannot_run;
    }
    return 0;
}
