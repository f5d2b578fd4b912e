// The agent's side: building slots, publishing a change, starting from nothing.
#include <cstring>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "datapath/mapping.hpp"
#include "groups.hpp"
#include "lb/hash.h"
#include "model/layout.hpp"
#include "model/plan.hpp"
#include "object.hpp"
#include "skeletons.hpp"
#include "synthetic.hpp"

namespace naru::bench {

namespace {

constexpr double most_us_to_publish = 20;
constexpr unsigned backends = 10;

using TableObject = Object<bench_sock_bpf>;

Result<TableObject> fresh_tables()
{
    return TableObject::load({.arena_bytes = LB_ARENA_BYTES, .flow_entries = 1024}, {});
}

/// Keeps the compiler from leaving out what nobody reads.
void keep(const void* p) { asm volatile("" : : "g"(p) : "memory"); }

/// ns for one call of `work`, which is repeated for about a millisecond.
template <class Work>
double each(unsigned times, Work work)
{
    double before = thread_ns();
    for (unsigned i = 0; i < times; ++i)
        work(i);
    return (thread_ns() - before) / times;
}

std::vector<MaglevBackend> maglev_backends(unsigned count)
{
    std::vector<MaglevBackend> all;
    for (unsigned i = 0; i < count; ++i)
        all.push_back({.at = backend(Family::v4, i), .weight = 1, .position = static_cast<std::uint16_t>(i)});
    return all;
}

Result<Row> measure_maglev(const Effort& effort, unsigned count)
{
    auto wanted = maglev_backends(count);
    auto slots = maglev_slots(count);
    unsigned times = std::max(1u, 2'000'000u / (slots * 8u) / (effort.runs < 10'000 ? 100u : 1u));
    std::vector<Subject> subjects{
        {"fill",
         [=]() -> Result<double> {
             return each(times,
                         [&](unsigned) {
                             std::vector<std::uint16_t> table(slots);
                             for (std::size_t i = 0; i < table.size(); ++i)
                                 table[i] = wanted[i % wanted.size()].position;
                             keep(table.data());
                         }) /
                    slots;
         }},
        {"naru",
         [=]() -> Result<double> {
             return each(times,
                         [&](unsigned i) { keep(maglev_table(wanted, slots, LB_DEFAULT_SEED + i).data()); }) /
                    slots;
         }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row = make_row("tables", fmt::format("Maglev, {} backends, {} slots", count, slots), "ns a slot",
                        subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"fill"};
    row.note = fmt::format("{:.1f} us a table", median(row.find("naru")->rounds) * slots / 1000);
    return row;
}

/// Endpoint number `turn % backends` is replaced by one that was not there before.
ServiceRow rolled(unsigned turn)
{
    auto at = backends_of(Family::v4, {.backends = backends}, 0);
    at[turn % backends] = backend(Family::v4, 1'000'000 + turn);
    std::ranges::sort(at);
    return service_row(at);
}

/// Tables with `services` Services, whose first one changes again and again.
class Publisher {
public:
    static Result<std::unique_ptr<Publisher>> make(unsigned services)
    {
        auto object = fresh_tables();
        if (!object)
            return std::unexpected{object.error()};
        auto kernel = object->kernel();
        if (!kernel)
            return std::unexpected{kernel.error()};
        if (auto put =
                install_all(*kernel, Protocol::tcp, Family::v4, {.services = services, .backends = backends});
            !put)
            return std::unexpected{put.error()};
        return std::unique_ptr<Publisher>{new Publisher{std::move(*object), std::move(*kernel)}};
    }

    Result<double> publish_us(unsigned times)
    {
        std::vector<Change> changes;
        for (unsigned i = 0; i < times; ++i)
            changes.emplace_back(PutService{service_id(Family::v4, Protocol::tcp, 0), rolled(turn_++)});
        double before = thread_ns();
        for (const auto& change : changes)
            if (auto put = kernel_.apply(change); !put)
                return std::unexpected{put.error()};
        double after = thread_ns();
        kernel_.reclaim();
        return (after - before) / times / 1000;
    }

private:
    Publisher(TableObject object, Kernel kernel) : object_{std::move(object)}, kernel_{std::move(kernel)} {}

    TableObject object_;
    Kernel kernel_;
    unsigned turn_ = 0;
};

/// The least a change of a Service can cost: its slots built, its block copied, one store.
double least_publish_us(std::byte* arena, unsigned times)
{
    auto wanted = maglev_backends(backends);
    auto slots = maglev_slots(backends);
    Generations generations{1};
    auto block = place(nullptr, rolled(0), generations, LB_DEFAULT_SEED);
    auto bytes = encode(*block, 1);
    return each(times,
                [&](unsigned i) {
                    keep(maglev_table(wanted, slots, LB_DEFAULT_SEED).data());
                    std::memcpy(arena + (i % 4096 + 1) * 1024, bytes.data(), bytes.size());
                }) /
           1000;
}

Result<Row> measure_publish(const Effort& effort)
{
    auto one = Publisher::make(1), many = Publisher::make(effort.services);
    auto scratch = fresh_tables();
    if (!one || !many || !scratch)
        return std::unexpected{!one ? one.error() : !many ? many.error() : scratch.error()};
    auto arena =
        Mapping::open(scratch->maps().arena.get(), LB_ARENA_BYTES, PROT_READ | PROT_WRITE, "lb_arena");
    if (!arena)
        return std::unexpected{arena.error()};
    std::vector<Subject> subjects{
        {"least", [&]() -> Result<double> { return least_publish_us(arena->data(), effort.publishes); }},
        {"at 1", [&] { return (*one)->publish_us(effort.publishes); }},
        {"naru", [&] { return (*many)->publish_us(effort.publishes); }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row =
        make_row("tables", fmt::format("publish 1 of {} Services, {} backends", effort.services, backends),
                 "us a change", subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"least", "at 1"};
    row.targets = {{"naru", "", most_us_to_publish}};
    return row;
}

/// One cold start, in ms: what the planner makes of the objects, and what writing it takes.
struct ColdStart {
    double plan = 0;
    double write = 0;
};

Result<ColdStart> cold_start(const Snapshot& snapshot)
{
    auto object = fresh_tables();
    if (!object)
        return std::unexpected{object.error()};
    auto kernel = object->kernel();
    if (!kernel)
        return std::unexpected{kernel.error()};
    Store store;
    store.replace(snapshot);
    NodeView view;
    view.node = *snapshot.node;
    Planner planner;

    double begin = thread_ns();
    auto plan = planner.update(store, store.take_dirty(), view, kernel->installed());
    double planned = thread_ns();
    auto failures = carry_out(plan.changes, kernel->installed(),
                              [&](const Change& change) { return kernel->apply(change); });
    double written = thread_ns();
    if (!failures.empty())
        return std::unexpected{failures.front().error};
    if (kernel->installed().services.size() != snapshot.services.size())
        return error(fmt::format("{} Services became {} in the tables", snapshot.services.size(),
                                 kernel->installed().services.size()));
    return ColdStart{(planned - begin) / 1e6, (written - planned) / 1e6};
}

/// The least a cold start can cost: all slots, all blocks, all frontends in batches.
Result<double> least_start_ms(unsigned services)
{
    auto object = fresh_tables();
    if (!object)
        return std::unexpected{object.error()};
    auto arena =
        Mapping::open(object->maps().arena.get(), LB_ARENA_BYTES, PROT_READ | PROT_WRITE, "lb_arena");
    if (!arena)
        return std::unexpected{arena.error()};
    std::vector<lb_frontend_key> keys(services);
    std::vector<lb_frontend> values(services);
    for (unsigned i = 0; i < services; ++i) {
        auto at = frontend(Family::v4, i);
        keys[i].addr = at.address.raw();
        keys[i].port = at.port.raw();
        keys[i].proto = static_cast<std::uint8_t>(Protocol::tcp);
        values[i].inside = values[i].outside = i + 1;
        values[i].kind = LB_KIND_CLUSTER_IP;
    }
    double begin = thread_ns();
    double blocks = least_publish_us(arena->data(), services) * services / 1000;
    double between = thread_ns();
    std::uint32_t count = services;
    bpf_map_batch_opts options{};
    options.sz = sizeof(options);
    if (int failed = bpf_map_update_batch(object->maps().frontends.get(), keys.data(), values.data(), &count,
                                          &options))
        return sys_error("write map lb_frontends", -failed);
    (void)begin;
    return blocks + (thread_ns() - between) / 1e6;
}

Result<Row> measure_cold_start(const Effort& effort)
{
    auto snapshot = objects({.services = effort.services, .backends = backends});
    ColdStart last;
    std::vector<Subject> subjects{
        {"least", [&] { return least_start_ms(effort.services); }},
        {"plan",
         [&]() -> Result<double> {
             auto start = cold_start(snapshot);
             if (!start)
                 return std::unexpected{start.error()};
             last = *start;
             return start->plan;
         }},
        {"write", [&]() -> Result<double> { return last.write; }},
        {"naru", [&]() -> Result<double> { return last.plan + last.write; }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row = make_row(
        "tables", fmt::format("objects to tables, {} Services x {} endpoints", effort.services, backends),
        "ms in all", subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"least"};
    row.note = fmt::format("{:.1f} us a Service", median(row.find("naru")->rounds) * 1000 / effort.services);
    return row;
}

} // namespace

Result<> measure_tables(Context& context)
{
    std::vector<Result<Row>> rows;
    for (unsigned count : {2u, 10u, 100u, 1000u})
        rows.push_back(measure_maglev(context.effort, count));
    rows.push_back(measure_publish(context.effort));
    rows.push_back(measure_cold_start(context.effort));
    for (auto& row : rows) {
        if (!row)
            return std::unexpected{row.error()};
        context.report.rows.push_back(std::move(*row));
    }
    return {};
}

} // namespace naru::bench
