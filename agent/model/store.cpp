#include "store.hpp"

#include <algorithm>
#include <utility>

namespace naru {

namespace {

/// The keys of `mine` that `theirs` lacks.
template <class Mine, class Theirs>
std::vector<ObjectKey> missing(const Mine& mine, const Theirs& theirs)
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
    auto service = slice.service_key();
    auto of = service_of_.find(slice.key);
    if (of != service_of_.end() && of->second != service)
        erase_slice(slice.key);
    else if (of != service_of_.end() && slices_.at(service).at(slice.key) == slice)
        return;

    if (!slice.service.empty())
        mark(service);
    service_of_.insert_or_assign(slice.key, service);
    auto key = slice.key;
    slices_[std::move(service)].insert_or_assign(std::move(key), std::move(slice));
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
    auto node = service_of_.extract(key); // `key` may live in it
    if (!node)
        return;
    auto of = slices_.find(node.mapped());
    of->second.erase(node.key());
    if (of->second.empty())
        slices_.erase(of);
    if (!node.mapped().name.empty())
        mark(node.mapped());
}

void Store::replace_services(std::map<ObjectKey, Service> services, const std::set<ObjectKey>& held)
{
    for (const auto& key : missing(services_, services))
        if (!held.contains(key))
            erase_service(key);
    for (auto& [_, service] : services)
        put(std::move(service));
}

void Store::replace_slices(std::map<ObjectKey, EndpointSlice> slices, const std::set<ObjectKey>& held)
{
    for (const auto& key : missing(service_of_, slices))
        if (!held.contains(service_of_.at(key)))
            erase_slice(key);
    for (auto& [key, slice] : slices)
        if (auto of = service_of_.find(key);
            !held.contains(slice.service_key()) && (of == service_of_.end() || !held.contains(of->second)))
            put(std::move(slice));
}

void Store::replace(Snapshot snapshot)
{
    replace_services(std::move(snapshot.services));
    replace_slices(std::move(snapshot.slices));
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
    if (auto of = slices_.find(service); of != slices_.end())
        for (const auto& [_, slice] : of->second)
            slices.push_back(&slice);
    return slices;
}

std::set<ObjectKey> Store::services_with_endpoints() const
{
    std::set<ObjectKey> keys;
    for (const auto& [service, slices] : slices_)
        if (!service.name.empty() &&
            std::ranges::any_of(slices, [](const auto& entry) { return !entry.second.endpoints.empty(); }))
            keys.insert(keys.end(), service);
    return keys;
}

void Store::mark_all()
{
    for (const auto& [key, _] : services_)
        dirty_.insert(dirty_.end(), key);
}

void Store::mark(const ObjectKey& service) { dirty_.insert(service); }

std::set<ObjectKey> Store::take_dirty() { return std::exchange(dirty_, {}); }

} // namespace naru
