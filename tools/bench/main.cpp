// Measures in a child process, so that whatever becomes of it, the parent cleans up.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "groups.hpp"
#include "options.hpp"

namespace {

using namespace naru;
using namespace naru::bench;

/// A restless machine shall not make a run endless.
constexpr std::chrono::seconds retry_budget{45};

enum ExitCode { measured = 0, failed = 1, restless = 3 };

struct Group {
    const char* name;
    Result<> (*measure)(Context&);
};
constexpr std::array groups{Group{"tc", measure_tc},           Group{"sock", measure_sock},
                            Group{"connect", measure_connect}, Group{"wire", measure_wire},
                            Group{"tables", measure_tables},   Group{"sync", measure_sync}};

Effort quick()
{
    return {.rounds = {.count = 3, .retries = 0},
            .runs = 2000,
            .connects = 20,
            .publishes = 20,
            .stream_mib = 8,
            .round_trips = 50,
            .services = 200,
            .flows = 1024,
            .flow_services = 100};
}

int measure(const Options& options, const Workspace& workspace)
{
    libbpf_set_print([](libbpf_print_level, const char*, va_list) { return 0; });
    Report report;
    report.machine = settle_down();
    report.quick = options.quick;
    Context context{options.quick ? quick() : Effort{}, workspace, report};
    context.effort.rounds.last_retry = std::chrono::steady_clock::now() + retry_budget;
    report.most_spread = context.effort.rounds.most_spread;
    for (const auto& group : groups) {
        if (!options.only.empty() && std::ranges::find(options.only, group.name) == options.only.end())
            continue;
        if (!options.json)
            fmt::print(stderr, "naru-bench: {} ...\n", group.name);
        if (auto done = group.measure(context); !done) {
            fmt::print(stderr, "naru-bench: {}: {}\n", group.name, done.error().message());
            return failed;
        }
    }
    fmt::print("{}", options.json ? json(report) : text(report));
    std::fflush(stdout);
    if (options.check && !report.all_met())
        return failed;
    return !options.quick && !report.restless().empty() ? restless : measured;
}

pid_t child = 0;

void pass_on(int signal)
{
    if (child > 0)
        ::kill(child, signal);
}

} // namespace

int main(int argc, char** argv)
{
    std::vector<std::string> names;
    for (const auto& group : groups)
        names.emplace_back(group.name);
    auto line = parse_command_line(argc, argv, names);
    if (line.exit_code) {
        fmt::print(*line.exit_code ? stderr : stdout, "{}", line.output);
        return *line.exit_code;
    }
    if (::geteuid() != 0) {
        fmt::print(stderr,
                   "naru-bench: needs root: BPF programs, a cgroup and network namespaces of its own\n");
        return failed;
    }

    remove_abandoned();
    auto workspace = Workspace::of(::getpid());
    child = ::fork();
    if (child < 0) {
        std::perror("naru-bench: fork");
        return failed;
    }
    if (child == 0)
        ::_exit(measure(line.options, workspace));
    for (int number : {SIGINT, SIGTERM, SIGHUP})
        ::signal(number, pass_on);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (auto gone = workspace.remove(); !gone) {
        fmt::print(stderr, "naru-bench: {}\n", gone.error().message());
        return failed;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
