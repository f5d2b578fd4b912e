// Which Services have an endpoint on an address, for the few addresses somebody asks about. Small rather than
// exact: eight bytes an endpoint, and now and then a Service too many.
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "endpoint.hpp"

namespace naru {

class EndpointIndex {
public:
    EndpointIndex() : entries_(buckets) {}
    EndpointIndex(EndpointIndex&&) = default; // a copy would point into the original
    EndpointIndex& operator=(EndpointIndex&&) = default;

    /// The slices of `service` are now these. Costs nothing to speak of when their addresses are the same.
    void set(const ObjectKey& service, std::span<const EndpointSlice* const> slices);

    /// Adds every Service that has an endpoint on `address`, and rarely one that has none.
    void add_services_at(const Address& address, std::set<ObjectKey>& to) const;

private:
    struct Entry {
        std::uint32_t hash;
        std::uint32_t service;
        friend bool operator==(const Entry&, const Entry&) = default;
    };
    struct Member {
        std::uint32_t number = 0;
        std::vector<std::uint32_t> hashes{}; ///< of the addresses, sorted, each once
    };
    static constexpr std::size_t buckets = 4096; ///< 100,000 endpoints: two dozen entries in each

    std::vector<Entry>& bucket(std::uint32_t hash) { return entries_[hash % buckets]; }
    std::uint32_t take_number(const ObjectKey& service); ///< a key of members_

    std::vector<std::vector<Entry>> entries_; ///< by hash
    std::unordered_map<ObjectKey, Member, ObjectKey::Hash> members_;
    std::vector<const ObjectKey*> by_number_; ///< into members_
    std::vector<std::uint32_t> free_;
};

} // namespace naru
