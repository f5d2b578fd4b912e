#include "kernel.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "kernel_state.hpp"
#include "model/algorithm.hpp"
#include "object_info.hpp"
#include "rows.hpp"

namespace naru {

Result<Kernel> Kernel::open(Maps maps, std::uint32_t seed, std::vector<std::string>& findings,
                            GracePeriod::Wait wait)
{
    auto services_info = object_info<bpf_map_info>(maps.services.get());
    auto ranges_info = object_info<bpf_map_info>(maps.ranges.get());
    if (!services_info || !ranges_info)
        return std::unexpected{services_info ? ranges_info.error() : services_info.error()};
    std::size_t numbers = services_info->max_entries;

    auto arena = LazyMapping::open(maps.arena.get(), maps.arena_bytes, PROT_READ | PROT_WRITE, "lb_arena");
    if (!arena)
        return std::unexpected{arena.error()};
    auto services = Mapping::open(maps.services.get(), numbers * sizeof(std::uint64_t),
                                  PROT_READ | PROT_WRITE, "lb_services");
    if (!services)
        return std::unexpected{services.error()};
    const Records records{{reinterpret_cast<std::uint64_t*>(services->data()), numbers}};

    auto adopted = adopt(maps, *arena, records, findings);
    if (!adopted)
        return std::unexpected{adopted.error()};
    auto state =
        std::make_unique<State>(std::move(maps), seed, ranges_info->max_entries, std::move(*arena),
                                std::move(*services), records, std::move(adopted->contents), std::move(wait));
    if (adopted->withdrew)
        state->grace.wait(state->grace.begin());
    return Kernel{std::move(state)};
}

Kernel::Kernel(std::unique_ptr<State> state) : state_{std::move(state)} {}
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;
Kernel::~Kernel() = default;

const Tables& Kernel::installed() const { return state_->contents.tables; }

std::vector<std::uint32_t> Kernel::compared_backends()
{
    std::vector<std::uint32_t> generations;
    for (const auto& [id, row] : state_->contents.tables.services) {
        if (!compares_loads(row.algorithm))
            continue;
        const auto* held = state_->find(id);
        const auto block = held ? state_->block_of(*held) : std::nullopt;
        if (!block)
            continue;
        for (const auto& backend : block->rows)
            if (backend.generation)
                generations.push_back(backend.generation);
    }
    std::ranges::sort(generations);
    const auto twice = std::ranges::unique(generations); // sets of one Service port share them
    generations.erase(twice.begin(), twice.end());
    return generations;
}

std::size_t Kernel::arena_used() const { return state_->contents.space.used(); }
std::size_t Kernel::arena_capacity() const { return state_->contents.space.capacity(); }

Result<> Kernel::apply(const Change& change)
{
    auto progress = apply(std::span{&change, 1});
    return progress.error ? Result<>{std::unexpected{std::move(*progress.error)}} : Result<>{};
}

Progress Kernel::apply(std::span<const Change> changes)
{
    Progress all;
    while (all.done < changes.size() && !all.error) {
        auto rest = changes.subspan(all.done);
        auto kind = rest.front().index();
        auto end = std::ranges::find_if(rest, [&](const Change& each) { return each.index() != kind; });
        auto part = state_->apply(rest.first(static_cast<std::size_t>(end - rest.begin())));
        all.done += part.done;
        all.error = std::move(part.error);
    }
    return all;
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

/// Changes of one kind.
Progress Kernel::State::apply(std::span<const Change> changes)
{
    if (std::holds_alternative<PutService>(changes.front()))
        return put_services(changes);
    if (std::holds_alternative<PutFrontend>(changes.front()))
        return put_frontends(changes);
    Progress progress;
    for (const auto& change : changes) {
        const auto* frontend = std::get_if<EraseFrontend>(&change);
        auto gone = frontend ? apply(*frontend) : apply(std::get<EraseService>(change));
        if (!gone) {
            progress.error = std::move(gone.error());
            break;
        }
        ++progress.done;
    }
    return progress;
}

Progress Kernel::State::put_frontends(std::span<const Change> changes)
{
    std::vector<lb_frontend_key> keys;
    std::vector<lb_frontend> rows;
    keys.reserve(changes.size());
    rows.reserve(changes.size());
    std::optional<Error> unresolved;
    for (const auto& change : changes) {
        const auto& put = std::get<PutFrontend>(change);
        auto row = resolved(put);
        if (!row) {
            unresolved = std::move(row.error());
            break;
        }
        keys.push_back(to_raw(put.key));
        rows.push_back(*row);
    }

    auto progress = frontends.put(keys, rows);
    auto& held = contents.tables.frontends;
    auto next = held.lower_bound(std::get<PutFrontend>(changes.front()).key); // they mostly come in order
    for (const auto& change : changes.first(progress.done)) {
        const auto& put = std::get<PutFrontend>(change);
        const auto before = held.size();
        auto at = held.try_emplace(next, put.key);
        if (held.size() == before)
            count_sides(at->second, false);
        count_sides(put.row, true);
        at->second = put.row;
        next = std::next(at);
    }
    if (!progress.error)
        progress.error = std::move(unresolved);
    else if (is_full(*progress.error))
        progress.error->what = fmt::format("frontend {}: lb_frontends is full; nothing was changed",
                                           std::get<PutFrontend>(changes[progress.done]).key.text());
    return progress;
}

/// With the numbers of its services, which must be installed.
Result<lb_frontend> Kernel::State::resolved(const PutFrontend& put)
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
    auto outside = put.row.outside == put.row.inside ? inside : number_of(put.row.outside);
    if (!inside || !outside)
        return std::unexpected{inside ? outside.error() : inside.error()};
    return to_raw(put.row, *inside, *outside);
}

/// Established connections are found behind their frontend, so for them a tombstone stays until the sweep sees
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

Held* Kernel::State::find(const std::optional<ServiceId>& id)
{
    if (!id)
        return nullptr;
    auto found = contents.held.find(*id);
    return found == contents.held.end() ? nullptr : &found->second;
}

void Kernel::State::count_sides(const FrontendRow& row, bool up)
{
    auto count = [up](Held* held, std::uint32_t sides) {
        if (held)
            held->frontends = up ? held->frontends + sides : held->frontends - sides;
    };
    if (row.inside == row.outside)
        return count(find(row.inside), 2);
    count(find(row.inside), 1);
    count(find(row.outside), 1);
}

} // namespace naru
