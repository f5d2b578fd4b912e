#include "source.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "build.hpp"

namespace naru::kube {

using Clock = std::chrono::steady_clock;

namespace {

template <class T>
std::map<ObjectKey, T> by_key(std::vector<Object> objects)
{
    std::map<ObjectKey, T> out;
    for (auto& object : objects)
        if (auto* value = std::get_if<T>(&object)) {
            auto key = value->key;
            out.insert_or_assign(std::move(key), std::move(*value));
        }
    return out;
}

template <class T>
std::set<ObjectKey> keys_of(const std::map<ObjectKey, T>& objects)
{
    std::set<ObjectKey> out;
    for (const auto& [key, _] : objects)
        out.insert(out.end(), key);
    return out;
}

/// The Services that have any endpoint in `slices`.
std::set<ObjectKey> with_endpoints(const std::map<ObjectKey, EndpointSlice>& slices)
{
    std::set<ObjectKey> out;
    for (const auto& [_, slice] : slices)
        if (!slice.endpoints.empty())
            out.insert(slice.service_key());
    return out;
}

/// What the guards hold is about keys; an event says more than a list did.
ObjectKey subject_of(const Object& object)
{
    if (const auto* slice = std::get_if<EndpointSlice>(&object))
        return slice->service_key();
    const auto* service = std::get_if<Service>(&object);
    return service ? service->key : ObjectKey{};
}

/// The server was asked for one Node, but a selector is no guard.
bool is_foreign(const Object& object, const std::string& node_name)
{
    const auto* node = std::get_if<Node>(&object);
    return node && node->name != node_name;
}

/// A Node object that is gone keeps its addresses, for the flows there are, and no new ones are wanted here.
void forget_node(Store& store)
{
    if (auto node = store.node()) {
        node->eligible = false;
        store.put(std::move(*node));
    }
}

void put(Store& store, Object object)
{
    std::visit([&store](auto& value) { store.put(std::move(value)); }, object);
}

/// What a partial set lacks may be what could not be decoded: nothing is taken away for it.
template <class T>
void put_all(Store& store, std::map<ObjectKey, T> objects)
{
    for (auto& [_, object] : objects)
        store.put(std::move(object));
}

std::set<ObjectKey> without(const std::set<ObjectKey>& keys, const std::set<ObjectKey>& others)
{
    std::set<ObjectKey> rest;
    std::ranges::set_difference(keys, others, std::inserter(rest, rest.end()));
    return rest;
}

/// A partial set decides nothing: what is held waits for another one.
std::optional<Client::Time> relist_at(const RelistGuard& guard, const CompleteSet& set)
{
    if (set.partial && guard.alarming())
        return Client::Time::clock::now() + RelistGuard::confirm_after;
    return guard.relist_at();
}

void erase(Store& store, const Object& object)
{
    if (const auto* service = std::get_if<Service>(&object))
        store.erase_service(service->key);
    else if (const auto* slice = std::get_if<EndpointSlice>(&object))
        store.erase_slice(slice->key);
    else
        forget_node(store);
}

} // namespace

Source::Source(boost::asio::any_io_executor executor, const Access& access, SourceOptions options,
               Listener listener)
    : executor_{std::move(executor)}, options_{std::move(options)}, listener_{std::move(listener)},
      services_guard_{"Services", options_.relist_guard},
      endpoints_guard_{"Services with endpoints", options_.relist_guard}, watches_{[&] {
          const Client client{executor_, access, options_.user_agent};
          return std::array{make_watch(client, Resource::services),
                            make_watch(client, Resource::endpoint_slices),
                            make_watch(client, Resource::nodes)};
      }()}
{
}

Watch Source::make_watch(const Client& client, Resource resource)
{
    const auto index = static_cast<std::size_t>(resource);
    const auto& own_name = resource == Resource::nodes ? options_.node_name : options_.proxy_name;
    return {client,
            {.resource = resource, .own_name = own_name},
            {.replace = [this, resource](CompleteSet set) { return replace(resource, std::move(set)); },
             .apply = [this](Event event) { apply(std::move(event)); },
             .failed =
                 [this, index, resource](const std::string& why) {
                     if (std::exchange(told_[index], why) != why)
                         listener_.disconnected(resource, why);
                 },
             .outdated = [this, resource] { listener_.outdated(resource); },
             .connected =
                 [this, index, resource] {
                     told_[index].clear();
                     listener_.connected(resource);
                 }}};
}

void Source::start()
{
    for (auto& watch : watches_)
        boost::asio::co_spawn(executor_, watch.run(), boost::asio::detached);
}

bool Source::connected() const
{
    return std::ranges::all_of(watches_, [](const Watch& watch) { return watch.stats().connected; });
}

bool Source::listed() const { return std::ranges::all_of(watches_, &Watch::listed) && !guarding(); }

std::vector<std::string> Source::waits_for() const
{
    std::vector<std::string> out;
    if (told_listed_)
        return out;
    for (const auto resource : resources)
        if (!watch(resource).listed()) {
            const auto& why = told_[static_cast<std::size_t>(resource)];
            out.push_back(std::string{name_of(resource)} + " are not listed" +
                          (why.empty() ? "" : ": " + why));
        }
    if (guarding())
        out.push_back("--relist-guard holds the first list");
    return out;
}

std::optional<Client::Time> Source::replace(Resource resource, CompleteSet set)
{
    std::optional<Client::Time> doubted_until;
    auto& partial = partial_[static_cast<std::size_t>(resource)];
    partial = set.partial && (partial || !told_complete_);
    switch (resource) {
    case Resource::services:
        doubted_until = replace_services(by_key<Service>(std::move(set.objects)), set);
        break;
    case Resource::endpoint_slices:
        doubted_until = replace_slices(by_key<EndpointSlice>(std::move(set.objects)), set);
        break;
    case Resource::nodes:
        replace_node(std::move(set));
        break;
    }
    if (listed() && (!told_listed_ || (complete() && !told_complete_))) {
        told_listed_ = true;
        told_complete_ = complete();
        listener_.listed();
    }
    return doubted_until;
}

std::optional<Client::Time> Source::replace_services(std::map<ObjectKey, Service> services,
                                                     const CompleteSet& set)
{
    listener_.change([&](Store& store) {
        if (set.partial)
            return put_all(store, std::move(services));
        auto before = std::exchange(options_.known_services, {});
        for (const auto& [key, _] : store.services())
            before.insert(key);
        const auto verdict = services_guard_.judge(before, keys_of(services), set.consistent, Clock::now());
        if (!verdict.alarm.empty())
            listener_.alarm(verdict.alarm);
        if (!told_listed_)
            options_.known_services = verdict.held; // they are in the tables only
        store.replace_services(std::move(services), verdict.held);
    });
    return relist_at(services_guard_, set);
}

std::optional<Client::Time> Source::replace_slices(std::map<ObjectKey, EndpointSlice> slices,
                                                   const CompleteSet& set)
{
    listener_.change([&](Store& store) {
        if (set.partial) {
            put_all(store, std::move(slices));
            if (partial_[static_cast<std::size_t>(Resource::endpoint_slices)])
                store.hold(without(options_.known_endpoints, store.services_with_endpoints()));
            return;
        }
        store.hold({});
        auto before = std::exchange(options_.known_endpoints, {});
        before.merge(store.services_with_endpoints());
        const auto verdict =
            endpoints_guard_.judge(before, with_endpoints(slices), set.consistent, Clock::now());
        if (!verdict.alarm.empty())
            listener_.alarm(verdict.alarm);
        if (!told_listed_)
            options_.known_endpoints = verdict.held;
        store.replace_slices(std::move(slices), verdict.held);
    });
    return relist_at(endpoints_guard_, set);
}

void Source::replace_node(CompleteSet set)
{
    std::erase_if(set.objects, [&](const Object& each) { return is_foreign(each, options_.node_name); });
    listener_.change([&](Store& store) {
        if (set.objects.empty() && !set.partial)
            forget_node(store);
        for (auto& object : set.objects)
            put(store, std::move(object));
    });
}

void Source::apply(Event event)
{
    if (is_foreign(*event.object, options_.node_name))
        return;
    auto& guard = std::holds_alternative<Service>(*event.object) ? services_guard_ : endpoints_guard_;
    guard.told(subject_of(*event.object));
    listener_.change([&](Store& store) {
        if (event.type == Event::Type::deleted)
            erase(store, *event.object);
        else
            put(store, std::move(*event.object));
    });
}

} // namespace naru::kube
