// A map for the few entries of one owner: sorted, in one piece of memory.
#pragma once

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <utility>
#include <vector>

namespace naru {

/// What std::map does, as far as it is needed. Moving the map as a whole leaves its entries where they are;
/// adding one may move the others.
template <class Key, class Value>
class FlatMap {
public:
    using key_type = Key;
    using mapped_type = Value;
    using value_type = std::pair<Key, Value>;
    using const_iterator = typename std::vector<value_type>::const_iterator;

    const_iterator begin() const { return entries_.begin(); }
    const_iterator end() const { return entries_.end(); }
    std::size_t size() const { return entries_.size(); }
    bool empty() const { return entries_.empty(); }

    const_iterator find(const Key& key) const
    {
        auto at = std::ranges::lower_bound(entries_, key, {}, &value_type::first);
        return at != entries_.end() && at->first == key ? at : entries_.end();
    }
    bool contains(const Key& key) const { return find(key) != end(); }
    const Value& at(const Key& key) const
    {
        auto found = find(key);
        if (found == end())
            throw std::out_of_range{"FlatMap::at"};
        return found->second;
    }

    /// The value of `key`, and whether it was added.
    std::pair<Value&, bool> try_emplace(const Key& key, Value value = {})
    {
        auto at = std::ranges::lower_bound(entries_, key, {}, &value_type::first);
        if (at != entries_.end() && at->first == key)
            return {at->second, false};
        return {entries_.emplace(at, key, std::move(value))->second, true};
    }

    friend bool operator==(const FlatMap&, const FlatMap&) = default;

private:
    std::vector<value_type> entries_;
};

} // namespace naru
