#include "source.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "build.hpp"

namespace naru::kube {

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
      watches_{[&] {
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
            {.replace = [this, resource](
                            std::vector<Object> objects) { return replace(resource, std::move(objects)); },
             .apply = [this](Event event) { apply(std::move(event)); },
             .failed =
                 [this, index, resource](const std::string& why) {
                     if (std::exchange(told_[index], why) != why)
                         listener_.disconnected(resource, why);
                 },
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

bool Source::listed() const { return std::ranges::all_of(watches_, &Watch::listed); }

bool Source::connected() const
{
    return std::ranges::all_of(watches_, [](const Watch& watch) { return watch.stats().connected; });
}

std::optional<Reflector::Delay> Source::replace(Resource resource, std::vector<Object> objects)
{
    listener_.change([&](Store& store) {
        switch (resource) {
        case Resource::services:
            store.replace_services(by_key<Service>(std::move(objects)));
            break;
        case Resource::endpoint_slices:
            store.replace_slices(by_key<EndpointSlice>(std::move(objects)));
            break;
        case Resource::nodes:
            std::erase_if(objects, [&](const Object& each) { return is_foreign(each, options_.node_name); });
            if (objects.empty())
                forget_node(store);
            for (auto& object : objects)
                put(store, std::move(object));
            break;
        }
    });
    if (listed() && !std::exchange(told_listed_, true))
        listener_.listed();
    return std::nullopt;
}

void Source::apply(Event event)
{
    if (is_foreign(*event.object, options_.node_name))
        return;
    listener_.change([&](Store& store) {
        if (event.type == Event::Type::deleted)
            erase(store, *event.object);
        else
            put(store, std::move(*event.object));
    });
}

} // namespace naru::kube
