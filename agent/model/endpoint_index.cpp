#include "endpoint_index.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace naru {

namespace {

std::uint32_t short_hash(const Address& address)
{
    return static_cast<std::uint32_t>(AddressHash{}(address));
}

std::vector<std::uint32_t> hashes_of(std::span<const EndpointSlice* const> slices)
{
    std::vector<std::uint32_t> hashes;
    for (const auto* slice : slices)
        for (const auto& endpoint : slice->endpoints)
            hashes.push_back(short_hash(endpoint.address));
    std::ranges::sort(hashes);
    const auto twice = std::ranges::unique(hashes);
    hashes.erase(twice.begin(), twice.end());
    hashes.shrink_to_fit();
    return hashes;
}

} // namespace

std::uint32_t EndpointIndex::number(const ObjectKey& service)
{
    auto [it, added] = members_.try_emplace(service);
    if (!added)
        return it->second.number;
    if (free_.empty()) {
        it->second.number = static_cast<std::uint32_t>(by_number_.size());
        by_number_.push_back(&it->first);
    } else {
        it->second.number = free_.back();
        free_.pop_back();
        by_number_[it->second.number] = &it->first;
    }
    return it->second.number;
}

void EndpointIndex::set(const ObjectKey& service, std::span<const EndpointSlice* const> slices)
{
    auto next = hashes_of(slices);
    const auto known = members_.find(service);
    if (known == members_.end() ? next.empty() : known->second.hashes == next)
        return;

    const auto id = number(service);
    auto& held = members_.at(service).hashes;
    std::vector<std::uint32_t> gone, fresh;
    std::ranges::set_difference(held, next, std::back_inserter(gone));
    std::ranges::set_difference(next, held, std::back_inserter(fresh));
    for (auto hash : gone) {
        auto& entries = bucket(hash);
        *std::ranges::find(entries, Entry{hash, id}) = entries.back();
        entries.pop_back();
    }
    for (auto hash : fresh)
        bucket(hash).push_back({hash, id});
    held = std::move(next);
    if (held.empty()) {
        free_.push_back(id);
        members_.erase(service);
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
