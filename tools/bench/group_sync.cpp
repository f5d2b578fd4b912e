// From what an API server sends to what programs see: lists, a cold start, single changes, and the memory all
// of it takes.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <malloc.h>

#include <fmt/format.h>

#include "bare_tables.hpp"
#include "groups.hpp"
#include "lists.hpp"
#include "source/kube/object.hpp"
#include "sync.hpp"

namespace naru::bench {

namespace {

constexpr double most_ms_to_decode = 30; ///< a hundred thousand endpoints
constexpr double most_ms_to_start = 60;
constexpr double most_us_to_follow = 1000; ///< at the 99th percentile
constexpr double most_growth = 2;          ///< of a change, from a hundred Services to all
constexpr double most_resident_mib = 64;

Shape shape_of(const Effort& effort) { return {.services = effort.services, .backends = backends}; }

std::string in_words(const Shape& shape)
{
    return fmt::format("{} Services x {} endpoints", shape.services, shape.backends);
}

Result<Row> measure_decoding(const Effort& effort, kube::Encoding encoding, const char* name)
{
    const auto shape = shape_of(effort);
    const auto snapshot = objects(shape);
    const std::array bodies{list_body(snapshot, kube::Resource::services, encoding),
                            list_body(snapshot, kube::Resource::endpoint_slices, encoding)};
    const auto bytes = bodies[0].size() + bodies[1].size();
    const auto decoder = kube::make_decoder(encoding);
    auto decode = [&](std::size_t which, kube::Resource resource) -> Result<double> {
        double before = thread_ns();
        auto page = decoder->page(std::as_bytes(std::span{bodies[which]}), resource);
        double after = thread_ns();
        if (!page)
            return std::unexpected{page.error()};
        if (page->items.size() != shape.services)
            return error(fmt::format("{} objects were read of {}", page->items.size(), shape.services));
        return (after - before) / 1e6;
    };
    std::vector<Subject> subjects{
        {"copy",
         [&]() -> Result<double> {
             double before = thread_ns();
             for (const auto& body : bodies)
                 keep(std::string{body}.data());
             return (thread_ns() - before) / 1e6;
         }},
        {"services", [&] { return decode(0, kube::Resource::services); }},
        {"naru",
         [&]() -> Result<double> {
             auto services = decode(0, kube::Resource::services);
             auto slices = decode(1, kube::Resource::endpoint_slices);
             if (!services || !slices)
                 return std::unexpected{services ? slices.error() : services.error()};
             return *services + *slices;
         }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row = make_row("sync", fmt::format("{} lists to objects, {}", name, in_words(shape)), "ms in all",
                        subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"copy"};
    if (encoding == kube::Encoding::protobuf)
        row.targets = {{"naru", "", most_ms_to_decode}};
    row.note = fmt::format("{:.1f} MiB", static_cast<double>(bytes) / (1 << 20));
    return row;
}

/// What the agent is between a source and the tables.
class Pipeline {
public:
    static Result<std::unique_ptr<Pipeline>> make()
    {
        auto object = fresh_tables();
        if (!object)
            return std::unexpected{object.error()};
        auto kernel = object->kernel();
        if (!kernel)
            return std::unexpected{kernel.error()};
        return std::unique_ptr<Pipeline>{new Pipeline{std::move(*object), std::move(*kernel)}};
    }

    void list(Snapshot snapshot) { sync_.replace(std::move(snapshot)); }

    /// Fails unless the tables hold `services` of them.
    Result<> start(std::size_t services)
    {
        sync_.settle();
        sync_.step(Sync::Clock::now());
        auto installed = kernel_.installed().services.size();
        if (installed != services || !sync_.synced())
            return error(fmt::format("{} Services became {} in the tables", services, installed));
        return {};
    }

    Result<> follow(EndpointSlice slice)
    {
        sync_.change([&](Store& store) { store.put(std::move(slice)); });
        if (sync_.step(Sync::Clock::now()).applied != 1)
            return error("one changed EndpointSlice was not one change in the tables");
        return {};
    }

    void reclaim() { kernel_.reclaim(); }
    std::size_t arena_used() const { return kernel_.arena_used(); }

private:
    Pipeline(TableObject object, Kernel kernel)
        : object_{std::move(object)}, kernel_{std::move(kernel)},
          sync_{{[this]() -> const Tables& { return kernel_.installed(); },
                 [this](std::span<const Change> changes) { return kernel_.apply(changes); }},
                {}}
    {
    }

    TableObject object_;
    Kernel kernel_;
    Sync sync_;
};

struct ColdStart {
    double store = 0;
    double tables = 0;
};

Result<ColdStart> cold_start(Snapshot snapshot)
{
    auto pipeline = Pipeline::make();
    if (!pipeline)
        return std::unexpected{pipeline.error()};
    auto services = snapshot.services.size();
    double begin = thread_ns();
    (*pipeline)->list(std::move(snapshot));
    double stored = thread_ns();
    auto started = (*pipeline)->start(services);
    double synced = thread_ns();
    if (!started)
        return std::unexpected{started.error()};
    return ColdStart{(stored - begin) / 1e6, (synced - stored) / 1e6};
}

Result<Row> measure_cold_start(const Effort& effort)
{
    const auto shape = shape_of(effort);
    const auto snapshot = objects(shape);
    ColdStart last;
    std::vector<Subject> subjects{
        {"least", [&] { return least_start_ms(shape.services); }},
        {"store",
         [&]() -> Result<double> {
             auto start = cold_start(snapshot);
             if (!start)
                 return std::unexpected{start.error()};
             last = *start;
             return start->store;
         }},
        {"tables", [&]() -> Result<double> { return last.tables; }},
        {"naru", [&]() -> Result<double> { return last.store + last.tables; }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row = make_row("sync", fmt::format("objects to tables, {}", in_words(shape)), "ms in all", subjects,
                        std::move(*measured));
    row.subject = "naru";
    row.compared = {"least"};
    row.targets = {{"naru", "", most_ms_to_start}};
    row.note = fmt::format("{:.1f} us a Service", median(row.find("naru")->rounds) * 1000 / shape.services);
    return row;
}

/// Tables that one changed EndpointSlice after the other is carried into.
class Follower {
public:
    static Result<std::unique_ptr<Follower>> make(unsigned services)
    {
        auto pipeline = Pipeline::make();
        if (!pipeline)
            return std::unexpected{pipeline.error()};
        auto snapshot = objects({.services = services, .backends = backends});
        auto follower = std::unique_ptr<Follower>{new Follower{std::move(*pipeline), snapshot.slices}};
        follower->pipeline_->list(std::move(snapshot));
        if (auto started = follower->pipeline_->start(services); !started)
            return std::unexpected{started.error()};
        return follower;
    }

    /// One endpoint is replaced by a new one, each time in another Service. The median, us.
    Result<double> round(unsigned times)
    {
        std::vector<std::uint32_t> ns(times);
        for (auto& took : ns) {
            turn_ += stride;
            auto& slice = std::next(slices_.begin(), turn_ % static_cast<unsigned>(slices_.size()))->second;
            slice.endpoints[turn_ % backends].address = backend(Family::v4, 1'000'000 + turn_).address;
            auto event = slice;
            double before = thread_ns();
            if (auto done = pipeline_->follow(std::move(event)); !done)
                return std::unexpected{done.error()};
            took = static_cast<std::uint32_t>(thread_ns() - before);
        }
        pipeline_->reclaim();
        p99_.push_back(percentile(ns, 0.99) / 1000);
        return percentile(ns, 0.5) / 1000;
    }

    /// Of the rounds of one attempt.
    std::vector<double> p99(unsigned attempt, unsigned rounds) const
    {
        auto first = p99_.begin() + attempt * rounds;
        return {first, first + rounds};
    }

private:
    Follower(std::unique_ptr<Pipeline> pipeline, std::map<ObjectKey, EndpointSlice> slices)
        : pipeline_{std::move(pipeline)}, slices_{std::move(slices)}
    {
    }

    static constexpr unsigned stride = 7919; ///< prime, so that every Service has its turn

    std::unique_ptr<Pipeline> pipeline_;
    std::map<ObjectKey, EndpointSlice> slices_;
    std::vector<double> p99_;
    unsigned turn_ = 0;
};

Result<std::array<Row, 2>> measure_changes(const Effort& effort)
{
    const std::array sizes{effort.services / 100, effort.services / 10, effort.services};
    std::vector<std::unique_ptr<Follower>> followers;
    std::vector<Subject> subjects;
    for (auto size : sizes) {
        auto follower = Follower::make(size);
        if (!follower)
            return std::unexpected{follower.error()};
        subjects.push_back({size == effort.services ? "naru" : fmt::format("at {}", size),
                            [&effort, f = follower->get()] { return f->round(effort.publishes); }});
        followers.push_back(std::move(*follower));
    }
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto worst = *measured;
    for (std::size_t i = 0; i < followers.size(); ++i)
        worst.rounds[i] = followers[i]->p99(measured->best, effort.rounds.count);

    const auto title = fmt::format("1 EndpointSlice of {} changes, ", effort.services);
    std::array rows{make_row("sync", title + "p50", "us a change", subjects, std::move(*measured)),
                    make_row("sync", title + "p99", "us a change", subjects, std::move(worst))};
    for (auto& row : rows) {
        row.subject = "naru";
        row.compared = {subjects[0].name, subjects[1].name};
    }
    rows[0].targets = {{"naru", subjects[0].name, most_growth}};
    rows[1].targets = {{"naru", "", most_us_to_follow}};
    return rows;
}

double resident_mib()
{
    std::ifstream file{"/proc/self/statm"};
    std::size_t all = 0, resident = 0;
    file >> all >> resident;
    return static_cast<double>(resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE))) / (1 << 20);
}

struct Footprint {
    double before = 0; ///< MiB of the process
    double after = 0;
    double blocks = 0; ///< of which the kernel's blocks, which are mapped
};

/// Of a pipeline that has read its lists, in this process.
Result<Footprint> footprint(const Shape& shape)
{
    ::malloc_trim(0);
    Footprint out{.before = resident_mib()};
    auto pipeline = Pipeline::make();
    if (!pipeline)
        return std::unexpected{pipeline.error()};
    (*pipeline)->list(objects(shape));
    if (auto started = (*pipeline)->start(shape.services); !started)
        return std::unexpected{started.error()};
    out.after = resident_mib();
    out.blocks = static_cast<double>((*pipeline)->arena_used()) / (1 << 20);
    return out;
}

/// In a process of its own, so that no round finds what another one left.
Result<Footprint> footprint_apart(const Shape& shape)
{
    std::array<int, 2> pipe{};
    if (::pipe(pipe.data()))
        return sys_error("make a pipe");
    auto child = ::fork();
    if (child < 0)
        return sys_error("fork");
    if (child == 0) {
        auto out = footprint(shape);
        bool told = out && ::write(pipe[1], &*out, sizeof(*out)) == sizeof(*out);
        ::_exit(told ? 0 : 1);
    }
    ::close(pipe[1]);
    Footprint out;
    bool read = ::read(pipe[0], &out, sizeof(out)) == sizeof(out);
    ::close(pipe[0]);
    ::waitpid(child, nullptr, 0);
    if (!read)
        return error("the process whose memory was to be measured failed");
    return out;
}

Result<Row> measure_memory(const Effort& effort)
{
    const auto shape = shape_of(effort);
    Footprint last;
    std::vector<Subject> subjects{
        {"blocks",
         [&]() -> Result<double> {
             auto taken = footprint_apart(shape);
             if (!taken)
                 return std::unexpected{taken.error()};
             last = *taken;
             return last.blocks;
         }},
        {"grown by", [&]() -> Result<double> { return last.after - last.before; }},
        {"naru", [&]() -> Result<double> { return last.after; }},
    };
    auto measured = interleave(subjects, effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row =
        make_row("sync", fmt::format("resident, {}", in_words(shape)), "MiB", subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"blocks"};
    row.targets = {{"naru", "", most_resident_mib}};
    row.note = fmt::format("{:.0f} bytes an endpoint", median(row.find("grown by")->rounds) * (1 << 20) /
                                                           (shape.services * shape.backends));
    return row;
}

} // namespace

Result<> measure_sync(Context& context)
{
    std::vector<Result<Row>> rows;
    rows.push_back(measure_memory(context.effort)); // first: the less this process has done, the better
    rows.push_back(measure_decoding(context.effort, kube::Encoding::protobuf, "protobuf"));
    rows.push_back(measure_decoding(context.effort, kube::Encoding::json, "JSON"));
    rows.push_back(measure_cold_start(context.effort));
    auto changes = measure_changes(context.effort);
    if (!changes)
        return std::unexpected{changes.error()};
    for (auto& row : *changes)
        rows.emplace_back(std::move(row));
    for (auto& row : rows) {
        if (!row)
            return std::unexpected{row.error()};
        context.report.rows.push_back(std::move(*row));
    }
    return {};
}

} // namespace naru::bench
