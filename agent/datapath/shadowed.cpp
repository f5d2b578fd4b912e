#include "shadowed.hpp"

#include <algorithm>

#include "rows.hpp"
#include "table.hpp"

namespace naru {

namespace {

using ShadowTable = Table<lb_shadowed_key, lb_shadowed>;

ShadowTable table_of(const Maps& maps) { return {maps.shadowed.get(), "lb_shadowed"}; }

template <std::size_t size>
void copy(std::string_view text, char (&to)[size])
{
    text.substr(0, size - 1).copy(to, size - 1);
}

bool same(const lb_shadowed& a, const lb_shadowed& b) { return std::memcmp(&a, &b, sizeof a) == 0; }

} // namespace

Result<> Shadowed::follow(const Claims& claims)
{
    if (shown_ == claims.contest_changes())
        return outcome_;
    if (!held_)
        if (auto read = read_back(); !read)
            return read;
    Rows wanted;
    for (const auto& shadow : claims.shadows()) {
        lb_shadowed row{};
        copy(shadow.owner.ns, row.ns);
        copy(shadow.owner.name, row.name);
        row.kind = static_cast<std::uint8_t>(shadow.kind);
        wanted.emplace(lb_shadowed_key{.frontend = to_raw(shadow.key), .rank = shadow.rank, .pad = 0}, row);
    }
    outcome_ = write(wanted);
    if (outcome_ || is_full(outcome_.error()))
        shown_ = claims.contest_changes();
    return outcome_;
}

Result<> Shadowed::read_back()
{
    Rows rows;
    auto read = table_of(maps_).for_each(
        [&](const lb_shadowed_key& key, const lb_shadowed& row) { rows.emplace(key, row); });
    if (read)
        held_ = std::move(rows);
    return read;
}

/// In an order that leaves no untrue row where there is no room for all: what goes makes room, what is there
/// is mended in its place, what is new comes last.
Result<> Shadowed::write(const Rows& wanted)
{
    const auto table = table_of(maps_);
    for (auto row = held_->begin(); row != held_->end();) {
        if (wanted.contains(row->first)) {
            ++row;
            continue;
        }
        if (auto erased = table.erase(row->first); !erased)
            return erased;
        row = held_->erase(row);
    }
    for (auto& [key, held] : *held_) {
        const auto& row = wanted.at(key);
        if (same(held, row))
            continue;
        if (auto put = table.put(key, row); !put)
            return put;
        held = row;
    }
    for (const auto& [key, row] : wanted) {
        if (held_->contains(key))
            continue;
        if (auto put = table.put(key, row); !put)
            return put;
        held_->emplace(key, row);
    }
    return {};
}

} // namespace naru
