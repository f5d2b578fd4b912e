#include "store.hpp"

#include <algorithm>
#include <iterator>
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

const ObjectKey& key_of(const EndpointSlice* slice) { return slice->key; }

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
    auto held = slices_.find(slice.key);
    if (held != slices_.end()) {
        if (held->second == slice)
            return;
        if (held->second.service == slice.service) {
            if (!slice.service.empty())
                mark(slice.service_key());
            held->second = std::move(slice);
            return;
        }
        erase_slice(slice.key);
    }
    const auto service = slice.service_key();
    if (!slice.service.empty())
        mark(service);
    auto key = slice.key;
    const auto* added = &slices_.emplace(std::move(key), std::move(slice)).first->second;
    auto& all = slices_of_[service];
    all.insert(std::ranges::upper_bound(all, added->key, {}, &key_of), added);
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
    auto node = slices_.extract(key); // `key` may live in it
    if (!node)
        return;
    auto of = slices_of_.find(node.mapped().service_key());
    std::erase(of->second, &node.mapped());
    if (of->second.empty())
        slices_of_.erase(of);
    if (!node.mapped().service.empty())
        mark(node.mapped().service_key());
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
    for (const auto& key : missing(slices_, slices))
        if (!held.contains(slices_.at(key).service_key()))
            erase_slice(key);
    for (auto& [key, slice] : slices)
        if (auto known = slices_.find(key);
            !held.contains(slice.service_key()) &&
            (known == slices_.end() || !held.contains(known->second.service_key())))
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
    auto of = slices_of_.find(service);
    return of == slices_of_.end() ? std::vector<const EndpointSlice*>{} : of->second;
}

std::set<ObjectKey> Store::services_with_endpoints() const
{
    std::set<ObjectKey> keys;
    for (const auto& [service, slices] : slices_of_)
        if (!service.name.empty() &&
            std::ranges::any_of(slices, [](const auto* slice) { return !slice->endpoints.empty(); }))
            keys.insert(service);
    return keys;
}

void Store::mark_all()
{
    for (const auto& [key, _] : services_)
        dirty_.insert(key);
}

void Store::mark(const ObjectKey& service) { dirty_.insert(service); }

std::vector<ObjectKey> Store::take_dirty()
{
    const auto dirty = std::exchange(dirty_, {});
    std::vector<ObjectKey> keys{dirty.begin(), dirty.end()};
    if (!held_.empty()) {
        const auto held = [this](const ObjectKey& key) { return held_.contains(key); };
        std::ranges::copy_if(keys, std::inserter(dirty_, dirty_.end()), held);
        std::erase_if(keys, held);
    }
    std::ranges::sort(keys);
    return keys;
}

void Store::hold(std::set<ObjectKey> services) { held_ = std::move(services); }

} // namespace naru
