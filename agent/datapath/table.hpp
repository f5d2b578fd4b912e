// A hash-like map as a table of typed rows. Thin: every call is one or few bpf(2) calls.
#pragma once

#include <bpf/bpf.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/result.hpp"

namespace naru {

/// What a map says that has no room.
inline bool is_full(const Error& error)
{
    return error.code == std::errc::argument_list_too_long || error.code == std::errc::no_space_on_device;
}

template <class Key, class Value>
class Table {
public:
    Table(int map, const char* name) : map_{map}, name_{name} {}

    Result<std::optional<Value>> get(const Key& key) const
    {
        Value value{};
        int failed = bpf_map_lookup_elem(map_, &key, &value);
        if (failed == -ENOENT)
            return std::optional<Value>{};
        if (failed)
            return sys_error(std::string{"read map "} + name_, -failed);
        return std::optional{value};
    }

    /// Adds or replaces.
    Result<> put(const Key& key, const Value& value) const
    {
        if (int failed = bpf_map_update_elem(map_, &key, &value, BPF_ANY))
            return sys_error(std::string{"write map "} + name_, -failed);
        return {};
    }

    /// The same for many rows, in their order.
    Progress put(std::span<const Key> keys, std::span<const Value> values) const
    {
        const auto rows = static_cast<std::uint32_t>(keys.size());
        if (rows == 0)
            return {};
        if (rows == 1) {
            auto written = put(keys[0], values[0]);
            return written ? Progress{.done = 1, .error = {}} : Progress{.done = 0, .error = written.error()};
        }
        auto done = rows;
        LIBBPF_OPTS(bpf_map_batch_opts, options);
        int failed = bpf_map_update_batch(map_, keys.data(), values.data(), &done, &options);
        if (!failed)
            return {.done = rows, .error = {}};
        // A call that fails before its first row leaves the count as it was.
        return {.done = done < rows ? done : 0,
                .error = sys_error(std::string{"write map "} + name_, -failed).error()};
    }

    /// A row that is not there is no error.
    Result<> erase(const Key& key) const
    {
        int failed = bpf_map_delete_elem(map_, &key);
        if (failed && failed != -ENOENT)
            return sys_error(std::string{"delete from map "} + name_, -failed);
        return {};
    }

    /// Deletes a row that was read a while ago, if what it holds by now still is to be deleted. True: it was.
    template <class Condition>
    Result<bool> erase_if(const Key& key, Condition condition) const
    {
        auto now_there = get(key);
        if (!now_there)
            return std::unexpected{now_there.error()};
        if (!*now_there || !condition(**now_there))
            return false;
        if (auto erased = erase(key); !erased)
            return std::unexpected{erased.error()};
        return true;
    }

    /// Calls visit(key, value) for every row, reading many at a time. For hash maps. Rows written meanwhile
    /// may be missed; rows may be deleted by `visit`.
    template <class Visit>
    Result<> for_each(Visit visit) const
    {
        std::vector<Key> keys(batch);
        std::vector<Value> values(batch);
        std::uint32_t position = 0;
        bool first = true;
        for (;;) {
            std::uint32_t next = 0;
            auto count = static_cast<std::uint32_t>(keys.size());
            int failed = bpf_map_lookup_batch(map_, first ? nullptr : &position, &next, keys.data(),
                                              values.data(), &count, nullptr);
            if (failed == -ENOSPC) { // a bucket larger than the buffer
                keys.resize(keys.size() * 2);
                values.resize(values.size() * 2);
                continue;
            }
            if (failed && failed != -ENOENT)
                return sys_error(std::string{"read map "} + name_, -failed);
            for (std::uint32_t i = 0; i < count; ++i)
                visit(keys[i], values[i]);
            if (failed)
                return {};
            position = next;
            first = false;
        }
    }

    /// All keys, one call each. For maps whose batches are not indexed by bucket, and for few rows.
    Result<std::vector<Key>> keys() const
    {
        std::vector<Key> all;
        Key next{};
        for (const Key* last = nullptr;; last = &all.back()) {
            int failed = bpf_map_get_next_key(map_, last, &next);
            if (failed == -ENOENT)
                return all;
            if (failed)
                return sys_error(std::string{"read map "} + name_, -failed);
            all.push_back(next);
        }
    }

private:
    static constexpr std::size_t batch = 2048;

    int map_;
    const char* name_;
};

} // namespace naru
