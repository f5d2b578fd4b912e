// Services in the kernel: numbers, names, source ranges, blocks, records.
#include <algorithm>
#include <cstring>
#include <iterator>

#include <fmt/format.h>

#include "kernel_state.hpp"
#include "rows.hpp"

namespace naru {

namespace {

std::vector<Cidr> missing_from(const std::vector<Cidr>& sorted, const std::vector<Cidr>& other)
{
    std::vector<Cidr> missing;
    std::ranges::set_difference(other, sorted, std::back_inserter(missing));
    return missing;
}

} // namespace

/// Order: name, wider source ranges, generation counter, block, record; then narrower source ranges. A
/// program sees the old service whole until the record changes, and the new one whole from then on.
Result<> Kernel::State::apply(const PutService& put)
{
    auto& [id, row] = put;
    auto [old, sibling] = find_pair(id);
    auto next = contents.generations;
    auto block = place(old ? &old->block : nullptr, row, next, seed, sibling);
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
    std::span<std::byte> memory;
    if (publishes) {
        auto mapped = arena.at(*offset, block->bytes());
        if (!mapped)
            return std::unexpected{mapped.error()};
        memory = *mapped;
    }
    undo.forget();

    if (publishes) {
        auto bytes = encode(*block, *number);
        std::memcpy(memory.data(), bytes.data(), bytes.size());
        records.publish(*number, {.block = *offset,
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

/// The service and the block of the same port's other scope, which is its neighbour in the order of ids.
std::pair<Held*, const Block*> Kernel::State::find_pair(const ServiceId& id)
{
    auto& held = contents.held;
    auto at = held.lower_bound(id);
    auto* own = at != held.end() && at->first == id ? &at->second : nullptr;
    auto other = id.scope == Scope::local ? at : own ? std::next(at) : at;
    if (other == (id.scope == Scope::local ? held.begin() : held.end()))
        return {own, nullptr};
    if (id.scope == Scope::local)
        --other;
    bool one_port = other->first.key == id.key && other->first.uid == id.uid &&
                    other->first.port_name == id.port_name && other->first.protocol == id.protocol &&
                    other->first.family == id.family;
    return {own, one_port ? &other->second.block : nullptr};
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
    records.publish(old->number, {});
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

} // namespace naru
