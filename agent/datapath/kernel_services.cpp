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

struct Kernel::State::Staged {
    const PutService& put;
    Held* old; ///< null: a new service
    Block block;
    lb_service_name name;
    bool publishes; ///< false: the block in place is as it should be
    std::uint32_t number = 0;
    std::uint32_t offset = 0;
    std::optional<lb_service_type> type_before = {};
    std::vector<Cidr> ranges_before = {};
    bool named = false;                      ///< its name is written
    std::vector<lb_range_key> admitted = {}; ///< source ranges that are written
    bool visible = false;                    ///< nothing of it can be taken back

    bool renames() const { return type_before != put.row.type; }
};

/// Order: names, wider source ranges, generation counter, then for each service block and record, narrower
/// source ranges. A program sees the old service whole until its record changes, and the new one whole from
/// then on. What fails before that takes back what it wrote, and so do those behind it.
Progress Kernel::State::put_services(std::span<const Change> changes)
{
    std::vector<Staged> staged;
    staged.reserve(changes.size());
    Progress progress;
    auto stop_at = [&](std::size_t count, Error why) {
        for (; staged.size() > count; staged.pop_back())
            take_back(staged.back());
        progress.error = std::move(why);
    };

    auto next = contents.generations;
    for (const auto& change : changes) {
        auto one = stage(std::get<PutService>(change), staged, next);
        if (!one) {
            stop_at(staged.size(), std::move(one.error()));
            break;
        }
        staged.push_back(std::move(*one));
    }
    if (auto named = write_names(staged); named.error)
        stop_at(named.done, std::move(*named.error));
    for (std::size_t i = 0; i < staged.size(); ++i)
        if (auto admitted = admit(staged[i]); !admitted)
            stop_at(i, std::move(admitted.error()));
    if (!staged.empty() && next.next() != contents.generations.next())
        if (auto kept = keep_generations(next); !kept)
            stop_at(0, std::move(kept.error()));

    for (; progress.done < staged.size(); ++progress.done)
        if (auto published = publish(staged[progress.done]); !published) {
            stop_at(progress.done, std::move(published.error()));
            break;
        }
    return progress;
}

/// All that can be refused without a system call.
Result<Kernel::State::Staged> Kernel::State::stage(const PutService& put, std::span<const Staged> before,
                                                   Generations& generations)
{
    const auto& [id, row] = put;
    auto* old = find(id);
    auto installed = old ? block_of(*old) : std::nullopt;
    auto next = generations;
    const auto sibling = sibling_of(id, before);
    auto block = place(installed ? &*installed : nullptr, row, next, seed, sibling ? &*sibling : nullptr);
    if (!block)
        return error(
            fmt::format("{}: {} backends are more than the {} that one service can have; nothing was changed",
                        id.text(), row.backends.size(), LB_MAX_ROWS));
    auto name = to_raw(id, row.type);
    if (!name)
        return std::unexpected{name.error()};

    bool publishes = !installed || !(*installed == *block);
    Staged staged{.put = put, .old = old, .block = std::move(*block), .name = *name, .publishes = publishes};
    if (old) {
        const auto& was = contents.tables.services.at(id);
        staged.type_before = was.type;
        staged.ranges_before = was.source_ranges;
        staged.number = old->number;
        staged.offset = old->record.block;
    } else {
        auto number = take_number(id);
        if (!number)
            return std::unexpected{number.error()};
        staged.number = *number;
    }
    if (publishes) {
        auto offset = take_space(id, staged.block.bytes());
        if (!offset) {
            if (!old)
                contents.numbers.give_back(staged.number);
            return std::unexpected{offset.error()};
        }
        staged.offset = *offset;
    }
    generations = next;
    return staged;
}

Progress Kernel::State::write_names(std::vector<Staged>& staged)
{
    std::vector<std::uint32_t> numbers;
    std::vector<lb_service_name> values;
    std::vector<std::size_t> whose;
    for (std::size_t i = 0; i < staged.size(); ++i)
        if (staged[i].renames()) {
            whose.push_back(i);
            numbers.push_back(staged[i].number);
            values.push_back(staged[i].name);
        }
    auto progress = names.put(numbers, values);
    for (std::size_t i = 0; i < progress.done; ++i)
        staged[whose[i]].named = true;
    progress.done = progress.error ? whose[progress.done] : staged.size();
    return progress;
}

/// What was written and taken for a service that does not become visible.
void Kernel::State::take_back(const Staged& staged)
{
    if (staged.visible)
        return;
    contents.ranges -= staged.admitted.size();
    for (const auto& key : staged.admitted)
        (void)ranges.erase(key);
    if (staged.named)
        (void)(staged.type_before ? names.put(staged.number, *to_raw(staged.put.id, *staged.type_before))
                                  : names.erase(staged.number));
    if (staged.publishes)
        contents.space.give_back(staged.offset, staged.block.bytes());
    if (!staged.old)
        contents.numbers.give_back(staged.number);
}

Result<> Kernel::State::publish(Staged& staged)
{
    const auto& [id, row] = staged.put;
    if (staged.publishes) {
        auto memory = arena.at(staged.offset, staged.block.bytes());
        if (!memory)
            return std::unexpected{memory.error()};
        encode(staged.block, staged.number, *memory);
    }
    staged.visible = true;

    if (staged.publishes) {
        const lb_service record{.block = staged.offset,
                                .rows = static_cast<std::uint16_t>(staged.block.rows.size()),
                                .slots = static_cast<std::uint16_t>(staged.block.slots.size())};
        records.publish(staged.number, record);
        if (staged.old)
            retire(*staged.old, false);
        auto& held = staged.old ? *staged.old : contents.held[id];
        held.number = staged.number;
        held.record = record;
    }
    auto& installed = contents.tables.services.insert_or_assign(id, row).first->second;
    auto stale = missing_from(row.source_ranges, staged.ranges_before);
    if (stale.empty())
        return {};
    std::vector<Cidr> admitted;
    std::ranges::set_union(row.source_ranges, staged.ranges_before, std::back_inserter(admitted));
    auto narrowed = stop_admitting(staged.number, admitted, stale);
    installed.source_ranges = std::move(admitted);
    return narrowed;
}

/// The block of the same port's other scope as it will be: changes come in the order of ids, which puts the
/// two side by side.
std::optional<Block> Kernel::State::sibling_of(const ServiceId& id, std::span<const Staged> before)
{
    auto other = id;
    other.scope = id.scope == Scope::local ? Scope::cluster : Scope::local;
    if (!before.empty() && before.back().put.id == other)
        return before.back().block;
    const auto* held = find(other);
    return held ? block_of(*held) : std::nullopt;
}

std::optional<Block> Kernel::State::block_of(const Held& held)
{
    auto bytes = arena.at(held.record.block, held.block_size());
    return bytes ? decode(*bytes, held.number, held.record) : std::nullopt;
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

Result<std::uint32_t> Kernel::State::take_number(const ServiceId& id)
{
    auto number = contents.numbers.take();
    if (!number) {
        reclaim();
        number = contents.numbers.take();
    }
    if (!number)
        return error(fmt::format("{}: lb_services is full ({} services); nothing was changed", id.text(),
                                 contents.held.size()));
    return *number;
}

Result<std::uint32_t> Kernel::State::take_space(const ServiceId& id, std::size_t bytes)
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
    return *offset;
}

Result<> Kernel::State::admit(Staged& staged)
{
    const auto networks = missing_from(staged.ranges_before, staged.put.row.source_ranges);
    if (contents.ranges + networks.size() > ranges_max)
        return error(
            fmt::format("{}: lb_ranges has no room for {} source ranges ({} of {} are used); nothing was "
                        "changed",
                        staged.put.id.text(), networks.size(), contents.ranges, ranges_max));
    for (const auto& network : networks) {
        auto key = to_raw(staged.number, network);
        if (auto written = ranges.put(key, 1); !written)
            return written;
        ++contents.ranges;
        staged.admitted.push_back(key);
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
                       .offset = held.record.block,
                       .bytes = held.block_size(),
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
