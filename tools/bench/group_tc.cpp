// The tc programs: what a packet costs, by BPF_PROG_TEST_RUN.
#include <map>

#include <fmt/format.h>

#include "datapath/counters.hpp"
#include "datapath/table.hpp"
#include "groups.hpp"
#include "object.hpp"
#include "packet.hpp"
#include "skeletons.hpp"
#include "synthetic.hpp"

namespace naru::bench {

namespace {

constexpr std::uint8_t syn = 0x02, ack = 0x10;
constexpr double most_over_fixed = 4;

using TcObject = Object<bench_tc_bpf>;

struct Mix {
    unsigned flows = 1;
    unsigned services = 1;

    std::string text() const
    {
        return flows == 1 ? "1 flow, 1 Service" : fmt::format("{} flows, {} Services", flows, services);
    }
};

struct Program {
    const char* name;
    const bpf_program* program;
};

/// Rows of one table; the tables are shown one after the other.
struct Shown {
    std::vector<Row> forward, reply, pass;
};

/// One object with Services of one family, and the flows that go to them.
class Scene {
public:
    static Result<Scene> make(const Effort& effort, Family family, const Mix& mix)
    {
        bench_flow fixed{};
        fixed.dst = backend(family, 1).address.raw();
        fixed.dport = backend(family, 1).port.raw();
        auto object = TcObject::load({}, fixed);
        if (!object)
            return std::unexpected{object.error()};
        Scene scene{effort, family, mix, std::move(*object)};
        auto kernel = scene.object_.kernel();
        if (!kernel)
            return std::unexpected{kernel.error()};
        for (auto protocol : {Protocol::tcp, Protocol::udp})
            if (auto put = install_all(*kernel, protocol, family, {.services = mix.services}); !put)
                return std::unexpected{put.error()};
        return scene;
    }

    /// Client and backend speak as they would: a SYN, its answer, an acknowledgement.
    Result<> establish(Protocol protocol)
    {
        clients_ = flows_to_services(family_, mix_.flows, mix_.services);
        object_.walk(clients_, syn, false);
        if (auto opened = run_once(programs().bench_ingress, protocol); !opened)
            return opened;
        auto answers = read_answers(protocol);
        if (!answers)
            return std::unexpected{answers.error()};
        answers_ = std::move(*answers);
        object_.walk(answers_, syn | ack, false);
        if (auto answered = run_once(programs().bench_egress, protocol); !answered)
            return answered;
        object_.walk(clients_, ack, false);
        return run_once(programs().bench_ingress, protocol);
    }

    Result<Row> established(Protocol protocol)
    {
        object_.walk(clients_, ack, false);
        auto row = measure("established", protocol, with_stateless(), "tc_ingress", "forward_local");
        if (row && mix_.flows == 1 && protocol == Protocol::tcp)
            row->targets = {{"naru", "fixed", most_over_fixed}};
        return row;
    }

    Result<Row> fresh(Protocol protocol)
    {
        object_.walk(flows_to_services(family_, mix_.flows, mix_.services), syn, true);
        // Until the tables are full a new entry is cheaper than it will be.
        if (auto filled = run(programs().bench_ingress, frame(family_, protocol), effort_.runs); !filled)
            return std::unexpected{filled.error()};
        return measure("new, tables full", protocol, with_stateless(), "tc_ingress", "forward_local");
    }

    Result<Row> reply(Protocol protocol)
    {
        object_.walk(answers_, ack, false);
        return measure("reply", protocol, without_lookup(programs().bench_egress), "tc_egress", "reply");
    }

    Result<Row> pass(Protocol protocol, bool ingress)
    {
        object_.walk(flows_elsewhere(family_, mix_.flows), ack, false);
        return measure(ingress ? "not to a Service, ingress" : "not to a Service, egress", protocol,
                       without_lookup(ingress ? programs().bench_ingress : programs().bench_egress),
                       ingress ? "tc_ingress" : "tc_egress", "pass");
    }

private:
    Scene(const Effort& effort, Family family, const Mix& mix, TcObject object)
        : effort_{effort}, family_{family}, mix_{mix}, object_{std::move(object)}
    {
    }

    const decltype(bench_tc_bpf::progs)& programs() const { return object_.programs(); }

    std::vector<Program> without_lookup(const bpf_program* naru) const
    {
        return {{"empty", programs().bench_empty},
                {"harness", programs().bench_harness},
                {"fixed", programs().bench_fixed},
                {"naru", naru}};
    }

    std::vector<Program> with_stateless() const
    {
        auto all = without_lookup(programs().bench_ingress);
        all.insert(all.end() - 1, {"stateless", programs().bench_stateless});
        return all;
    }

    Result<> run_once(const bpf_program* program, Protocol protocol)
    {
        auto done = run(program, frame(family_, protocol), mix_.flows);
        return done ? Result<>{} : std::unexpected{done.error()};
    }

    Result<std::vector<bench_flow>> read_answers(Protocol protocol) const
    {
        std::vector<bench_flow> answers;
        const auto& map = protocol == Protocol::tcp ? object_.maps().ct_tcp : object_.maps().ct_any;
        auto read =
            Table<lb_tuple, lb_ct>{map.get(), "lb_ct"}.for_each([&](const lb_tuple& key, const lb_ct&) {
                if (key.direction == LB_DIR_REPLY)
                    answers.push_back({key.src, key.dst, key.sport, key.dport, 0});
            });
        if (!read)
            return std::unexpected{read.error()};
        if (answers.size() != mix_.flows)
            return error(
                fmt::format("{} flows were begun and {} were remembered", mix_.flows, answers.size()));
        return answers;
    }

    /// `hook` must count nothing but `reason` meanwhile: else something else was measured.
    Result<Row> measure(const char* what, Protocol protocol, const std::vector<Program>& programs,
                        const char* hook, const char* reason)
    {
        auto before = counted(hook);
        if (!before)
            return std::unexpected{before.error()};
        auto packet = frame(family_, protocol);
        std::vector<Subject> subjects;
        for (const auto& [name, program] : programs)
            subjects.push_back({name, [=, this] { return run(program, packet, effort_.runs); }});
        auto measured = interleave(subjects, effort_.rounds);
        if (!measured)
            return std::unexpected{measured.error()};
        auto after = counted(hook);
        if (!after)
            return std::unexpected{after.error()};
        for (const auto& [key, count] : *after)
            if (key != reason && count != (*before)[key])
                return error(fmt::format("tc, {}: {} packets met \"{}\" instead of \"{}\"", what,
                                         count - (*before)[key], key, reason));

        auto row = make_row(
            "tc",
            fmt::format("{}, {} IPv{}, {}", what, text(protocol), static_cast<int>(family_), mix_.text()),
            "ns a packet", subjects, std::move(*measured));
        row.subject = "naru";
        row.compared = {"empty", "harness", "fixed"};
        if (row.find("stateless"))
            row.compared.emplace_back("stateless");
        return row;
    }

    Result<std::map<std::string_view, std::uint64_t>> counted(std::string_view hook) const
    {
        auto counters = read_counters(object_.maps());
        if (!counters)
            return std::unexpected{counters.error()};
        std::map<std::string_view, std::uint64_t> counts;
        for (const auto& counter : *counters)
            if (counter.hook == hook)
                counts[counter.reason] = counter.packets;
        return counts;
    }

    Effort effort_;
    Family family_;
    Mix mix_;
    TcObject object_;
    std::vector<bench_flow> clients_, answers_;
};

Result<> add(std::vector<Row>& rows, Result<Row> row)
{
    if (!row)
        return std::unexpected{row.error()};
    rows.push_back(std::move(*row));
    return {};
}

/// New flows come last: they push the established ones out.
Result<> measure_scene(Scene& scene, bool udp, bool pass, Shown& tables)
{
    std::vector<std::function<Result<>()>> steps{
        [&] { return scene.establish(Protocol::tcp); },
        [&] { return add(tables.forward, scene.established(Protocol::tcp)); },
        [&] { return add(tables.reply, scene.reply(Protocol::tcp)); },
    };
    if (pass) {
        steps.emplace_back([&] { return add(tables.pass, scene.pass(Protocol::tcp, true)); });
        steps.emplace_back([&] { return add(tables.pass, scene.pass(Protocol::tcp, false)); });
    }
    if (udp) {
        steps.emplace_back([&] { return scene.establish(Protocol::udp); });
        steps.emplace_back([&] { return add(tables.forward, scene.established(Protocol::udp)); });
    }
    steps.emplace_back([&] { return add(tables.forward, scene.fresh(Protocol::tcp)); });
    for (const auto& step : steps)
        if (auto done = step(); !done)
            return done;
    return {};
}

} // namespace

Result<> measure_tc(Context& context)
{
    const Mix hot, wide{context.effort.flows, context.effort.flow_services};
    Shown tables;
    for (auto family : {Family::v4, Family::v6})
        for (const auto& mix : {hot, wide}) {
            auto scene = Scene::make(context.effort, family, mix);
            if (!scene)
                return std::unexpected{scene.error()};
            bool v4 = family == Family::v4;
            if (auto done = measure_scene(*scene, v4, v4 && mix.flows > 1, tables); !done)
                return done;
        }
    for (auto* rows : {&tables.forward, &tables.reply, &tables.pass})
        context.report.rows.insert(context.report.rows.end(), std::make_move_iterator(rows->begin()),
                                   std::make_move_iterator(rows->end()));
    return {};
}

} // namespace naru::bench
