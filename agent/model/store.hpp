// The current objects, whatever source they came from, and which Services a change makes dirty. Idempotent:
// a replayed or unknown event changes nothing. Single-threaded.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "endpoint.hpp"
#include "node.hpp"
#include "service.hpp"

namespace naru {

/// A full set of objects, as one listing of a source gives it.
struct Snapshot {
    std::map<ObjectKey, Service> services;
    std::map<ObjectKey, EndpointSlice> slices;
    std::optional<Node> node; ///< the own one
};

class Store {
public:
    template <class T>
    using ByKey = std::unordered_map<ObjectKey, T, ObjectKey::Hash>;

    void put(Service service);
    void put(EndpointSlice slice);
    void put(Node node);
    void erase_service(const ObjectKey& key);
    void erase_slice(const ObjectKey& key);

    // The objects of a kind become exactly these; only what differs becomes dirty. Services in `held` stay
    // though they are not listed; slices of Services in `held` stay as they are, whatever is listed.
    void replace_services(std::map<ObjectKey, Service> services, const std::set<ObjectKey>& held = {});
    void replace_slices(std::map<ObjectKey, EndpointSlice> slices, const std::set<ObjectKey>& held = {});
    /// All of them. An absent node keeps the last one.
    void replace(Snapshot snapshot);

    const Service* service(const ObjectKey& key) const;
    std::vector<const EndpointSlice*> slices_of(const ObjectKey& service) const; ///< in order of their keys
    const std::optional<Node>& node() const { return node_; }
    std::set<ObjectKey> services_with_endpoints() const;
    const ByKey<Service>& services() const { return services_; }

    /// Slices of these Services may be unknown: they are not dirty until others are held.
    void hold(std::set<ObjectKey> services);

    void mark_all();                     ///< the node or a setting changed
    void mark(const ObjectKey& service); ///< try again
    std::vector<ObjectKey> take_dirty(); ///< sorted, each once

private:
    ByKey<Service> services_;
    ByKey<EndpointSlice> slices_;
    /// In order of their keys, never empty. The name may be empty: those of nobody.
    ByKey<std::vector<const EndpointSlice*>> slices_of_;
    std::optional<Node> node_;
    std::unordered_set<ObjectKey, ObjectKey::Hash> dirty_;
    std::set<ObjectKey> held_;
};

} // namespace naru
