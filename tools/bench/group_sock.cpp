// The work of the socket programs, by BPF_PROG_TEST_RUN of the same functions.
#include <fmt/format.h>

#include "groups.hpp"
#include "object.hpp"
#include "packet.hpp"
#include "skeletons.hpp"
#include "synthetic.hpp"

namespace naru::bench {

namespace {

constexpr double most_over_fixed = 4;

template <class Skeleton>
Result<Object<Skeleton>> loaded(Family family)
{
    bench_flow fixed{};
    fixed.dst = backend(family, 1).address.raw();
    fixed.dport = backend(family, 1).port.raw();
    return Object<Skeleton>::load({}, fixed);
}

Result<Row> measure(const Effort& effort, Family family, unsigned flows, unsigned services)
{
    auto sock = loaded<bench_sock_bpf>(family);
    auto tc = loaded<bench_tc_bpf>(family);
    if (!sock || !tc)
        return std::unexpected{sock ? tc.error() : sock.error()};
    auto kernel = sock->kernel();
    if (!kernel)
        return std::unexpected{kernel.error()};
    if (auto put = install_all(*kernel, Protocol::tcp, family, {.services = services}); !put)
        return std::unexpected{put.error()};

    auto packet = frame(family, Protocol::tcp);
    auto walked = flows_to_services(family, flows, services);
    sock->walk(walked, 0, false);
    tc->walk(walked, 0, false);
    auto subject = [&](const char* name, const bpf_program* program) {
        return Subject{name, [=, &effort] { return run(program, packet, effort.runs); }};
    };
    const auto& programs = sock->programs();
    std::vector<Subject> subjects{
        subject("empty", programs.bench_empty),       subject("harness", programs.bench_harness),
        subject("fixed", tc->programs().bench_fixed), subject("remember", programs.bench_remember),
        subject("choose", programs.bench_choose),     subject("naru", programs.bench_connect),
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row =
        make_row("sock",
                 flows == 1 ? fmt::format("connect, IPv{}, 1 Service", static_cast<int>(family))
                            : fmt::format("connect, IPv{}, {} Services", static_cast<int>(family), services),
                 "ns a call", subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"empty", "harness", "fixed", "remember"};
    if (flows == 1)
        row.targets = {{"naru", "fixed", most_over_fixed}};
    return row;
}

} // namespace

Result<> measure_sock(Context& context)
{
    const auto& effort = context.effort;
    for (auto family : {Family::v4, Family::v6})
        for (bool hot : {true, false}) {
            auto row = measure(effort, family, hot ? 1 : effort.flows, hot ? 1 : effort.flow_services);
            if (!row)
                return std::unexpected{row.error()};
            context.report.rows.push_back(std::move(*row));
        }
    return {};
}

} // namespace naru::bench
