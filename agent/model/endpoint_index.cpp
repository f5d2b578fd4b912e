#include "endpoint_index.hpp"

#include <algorithm>
#include <utility>

namespace naru {

namespace {

std::uint32_t short_hash(const Address& address)
{
    return static_cast<std::uint32_t>(AddressHash{}(address));
}

std::vector<std::uint32_t> hashes_of(std::span<const EndpointSlice* const> slices)
{
    std::size_t count = 0;
    for (const auto* slice : slices)
        count += slice->endpoints.size();
    std::vector<std::uint32_t> hashes;
    hashes.reserve(count);
    for (const auto* slice : slices)
        for (const auto& endpoint : slice->endpoints)
            hashes.push_back(short_hash(endpoint.address));
    std::ranges::sort(hashes);
    const auto twice = std::ranges::unique(hashes);
    hashes.erase(twice.begin(), twice.end());
    return hashes;
}

} // namespace

std::uint32_t EndpointIndex::take_number(const ObjectKey& service)
{
    if (free_.empty()) {
        by_number_.push_back(&service);
        return static_cast<std::uint32_t>(by_number_.size() - 1);
    }
    const auto number = free_.back();
    free_.pop_back();
    by_number_[number] = &service;
    return number;
}

void EndpointIndex::set(const ObjectKey& service, std::span<const EndpointSlice* const> slices)
{
    auto next = hashes_of(slices);
    auto known = members_.find(service);
    if (known == members_.end() ? next.empty() : known->second.hashes == next)
        return;
    if (known == members_.end()) {
        known = members_.try_emplace(service).first;
        known->second.number = take_number(known->first);
    }

    auto& [number, held] = known->second;
    auto gone = held.begin();
    auto fresh = next.begin();
    while (gone != held.end() || fresh != next.end()) {
        if (fresh == next.end() || (gone != held.end() && *gone < *fresh)) {
            auto& entries = bucket(*gone);
            *std::ranges::find(entries, Entry{*gone++, number}) = entries.back();
            entries.pop_back();
        } else if (gone == held.end() || *fresh < *gone) {
            bucket(*fresh).push_back({*fresh, number});
            ++fresh;
        } else {
            ++gone;
            ++fresh;
        }
    }
    held = std::move(next);
    if (held.empty()) {
        free_.push_back(number);
        members_.erase(known);
    }
}

void EndpointIndex::add_services_at(const Address& address, std::set<ObjectKey>& to) const
{
    const auto hash = short_hash(address);
    for (const auto& entry : entries_[hash % buckets])
        if (entry.hash == hash)
            to.insert(*by_number_[entry.service]);
}

} // namespace naru
