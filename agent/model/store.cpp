#include "store.hpp"

#include <utility>

namespace naru {

namespace {

/// The keys of `mine` that `theirs` lacks.
template <class Value>
std::vector<ObjectKey> missing(const std::map<ObjectKey, Value>& mine,
                               const std::map<ObjectKey, Value>& theirs)
{
    std::vector<ObjectKey> keys;
    for (const auto& [key, _] : mine)
        if (!theirs.contains(key))
            keys.push_back(key);
    return keys;
}

} // namespace

void Store::put(Service service)
{
    auto [it, added] = services_.try_emplace(service.key);
    if (!added && it->second == service)
        return;
    dirty_.insert(it->first);
    it->second = std::move(service);
}

void Store::put(EndpointSlice slice)
{
    auto it = slices_.find(slice.key);
    if (it != slices_.end()) {
        if (it->second == slice)
            return;
        if (it->second.service != slice.service)
            erase_slice(slice.key);
    }
    if (!slice.service.empty()) {
        auto service = slice.service_key();
        mark(service);
        slices_by_service_[service].insert(slice.key);
    }
    auto key = slice.key;
    slices_.insert_or_assign(std::move(key), std::move(slice));
}

void Store::put(Node node)
{
    if (node_ == node)
        return;
    node_ = std::move(node);
    mark_all();
}

void Store::erase_service(const ObjectKey& key)
{
    auto node = services_.extract(key); // `key` may live in it
    if (node)
        dirty_.insert(std::move(node.key()));
}

void Store::erase_slice(const ObjectKey& key)
{
    auto node = slices_.extract(key);
    if (!node || node.mapped().service.empty())
        return;
    auto of = slices_by_service_.find(node.mapped().service_key());
    mark(of->first);
    of->second.erase(node.key());
    if (of->second.empty())
        slices_by_service_.erase(of);
}

void Store::replace(Snapshot snapshot)
{
    for (const auto& key : missing(services_, snapshot.services))
        erase_service(key);
    for (const auto& key : missing(slices_, snapshot.slices))
        erase_slice(key);
    for (auto& [_, service] : snapshot.services)
        put(std::move(service));
    for (auto& [_, slice] : snapshot.slices)
        put(std::move(slice));
    if (snapshot.node)
        put(std::move(*snapshot.node));
}

const Service* Store::service(const ObjectKey& key) const
{
    auto it = services_.find(key);
    return it == services_.end() ? nullptr : &it->second;
}

std::vector<const EndpointSlice*> Store::slices_of(const ObjectKey& service) const
{
    std::vector<const EndpointSlice*> slices;
    if (auto of = slices_by_service_.find(service); of != slices_by_service_.end())
        for (const auto& key : of->second)
            slices.push_back(&slices_.at(key));
    return slices;
}

void Store::mark_all()
{
    for (const auto& [key, _] : services_)
        dirty_.insert(dirty_.end(), key);
}

void Store::mark(const ObjectKey& service) { dirty_.insert(service); }

std::set<ObjectKey> Store::take_dirty() { return std::exchange(dirty_, {}); }

} // namespace naru
