// Walks a map that others change meanwhile: always ends, never reads past what it was given, never counts
// twice.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "model/result.hpp"

namespace naru::ctl {

/// Keys and values one after the other, as the kernel gave them.
struct Entries {
    std::vector<std::byte> keys;
    std::vector<std::byte> values;
    std::size_t count = 0;
    std::size_t capacity = 0; ///< what the map was made for
    bool partial = false;     ///< the map changed too fast: rows may be missing
};

/// All entries of a hash, LRU hash or LPM map. `name` is for errors.
Result<Entries> read_entries(int map, std::size_t key_size, std::size_t value_size, std::string_view name);

template <class Key, class Value>
struct Dump {
    std::vector<std::pair<Key, Value>> rows; ///< by the bytes of the key, each once
    std::size_t capacity = 0;
    bool partial = false;
};

template <class Key, class Value>
    requires std::is_trivially_copyable_v<Key> && std::is_trivially_copyable_v<Value>
Result<Dump<Key, Value>> dump(int map, std::string_view name)
{
    auto entries = read_entries(map, sizeof(Key), sizeof(Value), name);
    if (!entries)
        return std::unexpected{std::move(entries.error())};
    Dump<Key, Value> out{{}, entries->capacity, entries->partial};
    out.rows.resize(entries->count);
    for (std::size_t i = 0; i < entries->count; ++i) {
        std::memcpy(&out.rows[i].first, entries->keys.data() + i * sizeof(Key), sizeof(Key));
        std::memcpy(&out.rows[i].second, entries->values.data() + i * sizeof(Value), sizeof(Value));
    }
    // A row that was deleted and entered again during the walk may come twice.
    auto order = [](const auto& a, const auto& b) { return std::memcmp(&a.first, &b.first, sizeof(Key)); };
    std::ranges::stable_sort(out.rows, [&](const auto& a, const auto& b) { return order(a, b) < 0; });
    auto again =
        std::ranges::unique(out.rows, [&](const auto& a, const auto& b) { return order(a, b) == 0; });
    out.rows.erase(again.begin(), again.end());
    return out;
}

} // namespace naru::ctl
