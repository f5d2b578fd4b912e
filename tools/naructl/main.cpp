// naructl: asks the pinned maps, prints the answer, says in the exit code what went wrong.
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <string>
#include <string_view>

#include <unistd.h>

#include "command_line.hpp"
#include "escape.hpp"
#include "output.hpp"
#include "pins.hpp"
#include "verbs.hpp"

namespace {

using namespace naru::ctl;

volatile std::sig_atomic_t interrupted = 0;

enum class Sink { open, closed, broken };

/// A reader that has seen enough, such as head(1), is no error; a full disk is.
Sink print(std::string_view text)
{
    while (!text.empty()) {
        auto written = write(STDOUT_FILENO, text.data(), text.size());
        if (written < 0 && errno == EINTR && !interrupted)
            continue;
        if (written < 0)
            return errno == EPIPE ? Sink::closed : Sink::broken;
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    return Sink::open;
}

void complain(const std::string& line) { std::fprintf(stderr, "naructl: %s\n", escape(line).c_str()); }

int exit_code_of(const naru::Error& error)
{
    bool permission =
        error.code == std::errc::permission_denied || error.code == std::errc::operation_not_permitted;
    return permission ? 3 : 1;
}

struct Outcome {
    int exit_code = 0;
    Sink sink = Sink::open;
};

/// The pins are opened anew each time: a watch goes on over a new version of the agent.
Outcome once(const Options& options, std::string_view before)
{
    auto maps = open_pins(options.bpf_path, need_of(options.verb));
    if (!maps) {
        auto refusal = explain_refusal(options.bpf_path, maps.error());
        complain(refusal.line);
        return {refusal.exit_code, Sink::open};
    }
    auto answered = answer(options, *maps);
    if (!answered) {
        complain(answered.error().message());
        return {exit_code_of(answered.error()), Sink::open};
    }
    bool headers = options.headers && options.verb != Verb::explain; // steps explain themselves
    auto sink = print(std::string{before} + render(answered->table, options.format, headers));
    if (sink == Sink::broken) {
        complain(naru::sys_error("write the answer").error().message());
        return {1, sink};
    }
    for (const auto& remark : answered->remarks)
        complain(remark);
    return {0, sink};
}

int watch(const Options& options)
{
    struct sigaction on_interrupt{};
    on_interrupt.sa_handler = [](int) { interrupted = 1; };
    sigaction(SIGINT, &on_interrupt, nullptr);
    sigaction(SIGTERM, &on_interrupt, nullptr);

    std::string_view clear = isatty(STDOUT_FILENO) ? "\033[H\033[2J" : "";
    while (!interrupted) {
        auto [exit_code, sink] = once(options, clear);
        if (exit_code != 0)
            return exit_code;
        if (sink == Sink::closed)
            break;
        timespec second{.tv_sec = 1, .tv_nsec = 0};
        nanosleep(&second, nullptr);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    auto line = parse_command_line(argc, argv);
    if (line.exit_code) {
        if (*line.exit_code == 0)
            print(line.output);
        else
            std::fputs(line.output.c_str(), stderr);
        return *line.exit_code;
    }
    return line.options.watch ? watch(line.options) : once(line.options, "").exit_code;
}
