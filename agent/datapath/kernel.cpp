#include "kernel.hpp"

#include <algorithm>
#include <cstring>
#include <deque>
#include <iterator>

#include <fmt/format.h>

#include "adopt.hpp"
#include "mapping.hpp"
#include "object_info.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace naru {

namespace {

bool is_full(const Error& error)
{
    return error.code == std::errc::argument_list_too_long || error.code == std::errc::no_space_on_device;
}

/// Takes back what was written, in reverse order, unless it is told that all went well.
class Undo {
public:
    Undo() = default;
    Undo(const Undo&) = delete;
    Undo& operator=(const Undo&) = delete;
    ~Undo()
    {
        for (auto step = steps_.rbegin(); step != steps_.rend(); ++step)
            (*step)();
    }
    void add(std::function<void()> step) { steps_.push_back(std::move(step)); }
    void forget() { steps_.clear(); }

private:
    std::vector<std::function<void()>> steps_;
};

/// What nobody can find any more, and may still be in use until the ticket has passed.
struct Retired {
    std::uint64_t ticket = 0;
    std::uint32_t offset = 0;
    std::size_t bytes = 0;
    std::uint32_t number = 0; ///< 0: the service lives on
};

std::vector<Cidr> missing_from(const std::vector<Cidr>& sorted, const std::vector<Cidr>& other)
{
    std::vector<Cidr> missing;
    std::ranges::set_difference(other, sorted, std::back_inserter(missing));
    return missing;
}

} // namespace

struct Kernel::State {
    Maps maps;
    std::uint32_t seed;
    std::uint32_t ranges_max;
    Mapping arena_mapping;
    Mapping services_mapping;
    Shared shared;
    Table<lb_frontend_key, lb_frontend> frontends{maps.frontends.get(), "lb_frontends"};
    Table<std::uint32_t, lb_service_name> names{maps.names.get(), "lb_names"};
    Table<lb_range_key, std::uint32_t> ranges{maps.ranges.get(), "lb_ranges"};
    Table<std::uint32_t, lb_node> node{maps.node.get(), "lb_node"};
    Contents contents;
    std::deque<Retired> retired;
    GracePeriod grace;

    State(Maps opened, std::uint32_t hash_seed, std::uint32_t most_ranges, Mapping arena, Mapping services,
          Shared memory, Contents adopted, GracePeriod::Wait wait)
        : maps{std::move(opened)}, seed{hash_seed}, ranges_max{most_ranges}, arena_mapping{std::move(arena)},
          services_mapping{std::move(services)}, shared{memory}, contents{std::move(adopted)},
          grace{std::move(wait)}
    {
    }

    Result<> apply(const PutService& put);
    Result<> apply(const PutFrontend& put);
    Result<> apply(const EraseFrontend& erase);
    Result<> apply(const EraseService& erase);

    Result<std::uint32_t> take_number(const ServiceId& id, Undo& undo);
    Result<std::uint32_t> take_space(const ServiceId& id, std::size_t bytes, Undo& undo);
    Result<> admit(std::uint32_t number, const ServiceId& id, const std::vector<Cidr>& networks, Undo& undo);
    Result<> stop_admitting(std::uint32_t number, std::vector<Cidr>& admitted,
                            const std::vector<Cidr>& stale);
    Result<> keep_generations(const Generations& next);
    Result<> write_node(const std::function<void(lb_node&)>& edit);
    void retire(const Held& held, bool number_too);
    void reclaim();
    Held* find(const std::optional<ServiceId>& id);
    void count_sides(const FrontendRow& row, bool up);
};

Result<Kernel> Kernel::open(Maps maps, std::uint32_t seed, std::vector<std::string>& findings,
                            GracePeriod::Wait wait)
{
    auto services_info = object_info<bpf_map_info>(maps.services.get());
    auto ranges_info = object_info<bpf_map_info>(maps.ranges.get());
    if (!services_info || !ranges_info)
        return std::unexpected{services_info ? ranges_info.error() : services_info.error()};
    std::size_t numbers = services_info->max_entries;

    auto arena = Mapping::open(maps.arena.get(), maps.arena_bytes, PROT_READ | PROT_WRITE, "lb_arena");
    if (!arena)
        return std::unexpected{arena.error()};
    auto services = Mapping::open(maps.services.get(), numbers * sizeof(std::uint64_t),
                                  PROT_READ | PROT_WRITE, "lb_services");
    if (!services)
        return std::unexpected{services.error()};
    Shared shared{.arena = {arena->data(), maps.arena_bytes},
                  .records = {reinterpret_cast<std::uint64_t*>(services->data()), numbers}};

    auto adopted = adopt(maps, shared, findings);
    if (!adopted)
        return std::unexpected{adopted.error()};
    auto state =
        std::make_unique<State>(std::move(maps), seed, ranges_info->max_entries, std::move(*arena),
                                std::move(*services), shared, std::move(adopted->contents), std::move(wait));
    if (adopted->withdrew)
        state->grace.wait(state->grace.begin());
    return Kernel{std::move(state)};
}

Kernel::Kernel(std::unique_ptr<State> state) : state_{std::move(state)} {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

const Tables& Kernel::installed() const { return state_->contents.tables; }

std::size_t Kernel::arena_used() const { return state_->contents.space.used(); }
std::size_t Kernel::arena_capacity() const { return state_->contents.space.capacity(); }

Result<> Kernel::apply(const Change& change)
{
    return std::visit([&](const auto& each) { return state_->apply(each); }, change);
}

Result<> Kernel::set_primary(const Address* v4, const Address* v6)
{
    return state_->write_node([&](lb_node& node) {
        if (!v4 || v4->family() == Family::v4)
            node.primary4 = v4 ? v4->raw() : lb_addr{};
        if (!v6 || v6->family() == Family::v6)
            node.primary6 = v6 ? v6->raw() : lb_addr{};
    });
}

bool Kernel::reclaim()
{
    state_->reclaim();
    return state_->retired.empty();
}

/// Order: name, wider source ranges, generation counter, block, record; then narrower source ranges. A
/// program sees the old service whole until the record changes, and the new one whole from then on.
Result<> Kernel::State::apply(const PutService& put)
{
    auto& [id, row] = put;
    auto* old = find(id);
    auto next = contents.generations;
    auto block = place(old ? &old->block : nullptr, row, next, seed);
    if (!block)
        return error(
            fmt::format("{}: {} backends are more than the {} that one service can have; nothing was changed",
                        id.text(), row.backends.size(), LB_MAX_ROWS));
    auto name = to_raw(id, row.type);
    if (!name)
        return std::unexpected{name.error()};
    bool publishes = !old || !(old->block == *block);
    auto was = old ? contents.tables.services.at(id) : ServiceRow{};

    Undo undo;
    auto number = old ? Result<std::uint32_t>{old->number} : take_number(id, undo);
    if (!number)
        return std::unexpected{number.error()};
    auto offset = publishes ? take_space(id, block->bytes(), undo) : Result<std::uint32_t>{old->offset};
    if (!offset)
        return std::unexpected{offset.error()};
    if (!old || was.type != row.type) {
        if (auto named = names.put(*number, *name); !named)
            return named;
        name->type = static_cast<std::uint8_t>(was.type);
        undo.add([this, number = *number, before = *name, existed = old != nullptr] {
            (void)(existed ? names.put(number, before) : names.erase(number));
        });
    }
    if (auto admitted = admit(*number, id, missing_from(was.source_ranges, row.source_ranges), undo);
        !admitted)
        return admitted;
    if (next.next() != contents.generations.next())
        if (auto kept = keep_generations(next); !kept)
            return kept;
    undo.forget();

    if (publishes) {
        auto bytes = encode(*block, *number);
        std::memcpy(shared.arena.data() + *offset, bytes.data(), bytes.size());
        shared.publish(*number, {.block = *offset,
                                 .rows = static_cast<std::uint16_t>(block->rows.size()),
                                 .slots = static_cast<std::uint16_t>(block->slots.size())});
        if (old)
            retire(*old, false);
        auto& held = contents.held[id];
        held.number = *number;
        held.block = std::move(*block);
        held.offset = *offset;
    }
    auto& installed = contents.tables.services.insert_or_assign(id, row).first->second;
    auto stale = missing_from(row.source_ranges, was.source_ranges);
    if (stale.empty())
        return {};
    std::vector<Cidr> admitted;
    std::ranges::set_union(row.source_ranges, was.source_ranges, std::back_inserter(admitted));
    auto narrowed = stop_admitting(*number, admitted, stale);
    installed.source_ranges = std::move(admitted);
    return narrowed;
}

Result<> Kernel::State::apply(const PutFrontend& put)
{
    auto number_of = [&](const std::optional<ServiceId>& id) -> Result<std::uint32_t> {
        if (!id)
            return 0u;
        if (auto* held = find(id))
            return held->number;
        return error(fmt::format("frontend {}: its service {} is not installed; nothing was changed",
                                 put.key.text(), id->text()));
    };
    auto inside = number_of(put.row.inside);
    auto outside = number_of(put.row.outside);
    if (!inside || !outside)
        return std::unexpected{inside ? outside.error() : inside.error()};

    auto written = frontends.put(to_raw(put.key), to_raw(put.row, *inside, *outside));
    if (!written && is_full(written.error()))
        return std::unexpected{
            Error{written.error().code, fmt::format("frontend {}: lb_frontends is full; nothing was "
                                                    "changed",
                                                    put.key.text())}};
    if (!written)
        return written;
    auto known = contents.tables.frontends.find(put.key);
    if (known != contents.tables.frontends.end())
        count_sides(known->second, false);
    count_sides(put.row, true);
    contents.tables.frontends.insert_or_assign(put.key, put.row);
    return {};
}

/// Established TCP flows are found behind their frontend, so for them a tombstone stays until the sweep sees
/// none.
Result<> Kernel::State::apply(const EraseFrontend& erase)
{
    auto known = contents.tables.frontends.find(erase.key);
    if (known == contents.tables.frontends.end())
        return {};
    auto rest = tombstone(erase.key, known->second);
    auto gone = rest ? frontends.put(to_raw(erase.key), *rest) : frontends.erase(to_raw(erase.key));
    if (!gone)
        return gone;
    count_sides(known->second, false);
    contents.tables.frontends.erase(known);
    return {};
}

Result<> Kernel::State::apply(const EraseService& erase)
{
    auto* old = find(erase.id);
    if (!old)
        return {};
    if (old->frontends != 0)
        return error(fmt::format("{}: frontends still name it; nothing was changed", erase.id.text()));
    auto& row = contents.tables.services.at(erase.id);
    auto stale = row.source_ranges;
    if (auto narrowed = stop_admitting(old->number, row.source_ranges, stale); !narrowed)
        return narrowed;
    shared.publish(old->number, {});
    auto unnamed = names.erase(old->number);
    retire(*old, true);
    contents.held.erase(erase.id);
    contents.tables.services.erase(erase.id);
    return unnamed;
}

Result<std::uint32_t> Kernel::State::take_number(const ServiceId& id, Undo& undo)
{
    auto number = contents.numbers.take();
    if (!number) {
        reclaim();
        number = contents.numbers.take();
    }
    if (!number)
        return error(fmt::format("{}: lb_services is full ({} services); nothing was changed", id.text(),
                                 contents.held.size()));
    undo.add([this, number = *number] { contents.numbers.give_back(number); });
    return *number;
}

Result<std::uint32_t> Kernel::State::take_space(const ServiceId& id, std::size_t bytes, Undo& undo)
{
    auto offset = contents.space.take(bytes);
    if (!offset) {
        reclaim();
        offset = contents.space.take(bytes);
    }
    if (!offset)
        return error(
            fmt::format("{}: lb_arena has no room for {} bytes ({} of {} are used); nothing was changed",
                        id.text(), bytes, contents.space.used(), contents.space.capacity()));
    undo.add([this, offset = *offset, bytes] { contents.space.give_back(offset, bytes); });
    return *offset;
}

Result<> Kernel::State::admit(std::uint32_t number, const ServiceId& id, const std::vector<Cidr>& networks,
                              Undo& undo)
{
    if (contents.ranges + networks.size() > ranges_max)
        return error(
            fmt::format("{}: lb_ranges has no room for {} source ranges ({} of {} are used); nothing was "
                        "changed",
                        id.text(), networks.size(), contents.ranges, ranges_max));
    for (const auto& network : networks) {
        auto key = to_raw(number, network);
        if (auto written = ranges.put(key, 1); !written)
            return written;
        ++contents.ranges;
        undo.add([this, key] {
            --contents.ranges;
            (void)ranges.erase(key);
        });
    }
    return {};
}

/// `admitted` follows what is written, so that a failure half-way is seen and tried again.
Result<> Kernel::State::stop_admitting(std::uint32_t number, std::vector<Cidr>& admitted,
                                       const std::vector<Cidr>& stale)
{
    for (const auto& network : stale) {
        if (auto gone = ranges.erase(to_raw(number, network)); !gone)
            return gone;
        --contents.ranges;
        std::erase(admitted, network);
    }
    return {};
}

/// Before anything carries the new generations: an agent that ends in between must not give them out again.
Result<> Kernel::State::keep_generations(const Generations& next)
{
    auto kept = write_node([&](lb_node& value) { value.next_generation = next.next(); });
    if (kept)
        contents.generations = next;
    return kept;
}

Result<> Kernel::State::write_node(const std::function<void(lb_node&)>& edit)
{
    auto value = node.get(0);
    if (!value)
        return std::unexpected{value.error()};
    auto edited = value->value_or(lb_node{});
    edit(edited);
    if (*value && std::memcmp(&edited, &**value, sizeof edited) == 0)
        return {};
    return node.put(0, edited);
}

void Kernel::State::retire(const Held& held, bool number_too)
{
    retired.push_back({.ticket = grace.begin(),
                       .offset = held.offset,
                       .bytes = held.block.bytes(),
                       .number = number_too ? held.number : 0});
}

void Kernel::State::reclaim()
{
    for (; !retired.empty() && grace.passed(retired.front().ticket); retired.pop_front()) {
        contents.space.give_back(retired.front().offset, retired.front().bytes);
        if (retired.front().number)
            contents.numbers.give_back(retired.front().number);
    }
}

Held* Kernel::State::find(const std::optional<ServiceId>& id)
{
    if (!id)
        return nullptr;
    auto found = contents.held.find(*id);
    return found == contents.held.end() ? nullptr : &found->second;
}

void Kernel::State::count_sides(const FrontendRow& row, bool up)
{
    for (const auto* side : {&row.inside, &row.outside})
        if (auto* held = find(*side))
            up ? ++held->frontends : --held->frontends;
}

} // namespace naru
