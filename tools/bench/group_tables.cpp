// What one changed Service costs: building its slots, publishing its block.
#include <fmt/format.h>

#include "bare_tables.hpp"
#include "groups.hpp"

namespace naru::bench {

namespace {

constexpr double most_us_to_publish = 20;

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

Result<Row> measure_publish(const Effort& effort)
{
    auto one = Publisher::make(1), many = Publisher::make(effort.services);
    auto scratch = fresh_tables();
    if (!one || !many || !scratch)
        return std::unexpected{!one ? one.error() : !many ? many.error() : scratch.error()};
    auto arena = arena_of(*scratch);
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

} // namespace

Result<> measure_tables(Context& context)
{
    std::vector<Result<Row>> rows;
    for (unsigned count : {2u, 10u, 100u, 1000u})
        rows.push_back(measure_maglev(context.effort, count));
    rows.push_back(measure_publish(context.effort));
    for (auto& row : rows) {
        if (!row)
            return std::unexpected{row.error()};
        context.report.rows.push_back(std::move(*row));
    }
    return {};
}

} // namespace naru::bench
