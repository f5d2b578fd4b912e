#include "dump.hpp"

#include <string>

#include <bpf/bpf.h>

namespace naru::ctl {

namespace {

constexpr std::uint32_t first_batch = 4096;
constexpr std::uint32_t largest_batch = 1u << 20; // a bucket of a million entries is no hash table any more

struct Sizes {
    std::size_t key, value;
};

Result<std::size_t> check(int map, Sizes sizes, std::string_view name)
{
    bpf_map_info info{};
    std::uint32_t length = sizeof info;
    if (int failed = bpf_obj_get_info_by_fd(map, &info, &length); failed < 0)
        return sys_error("read the shape of map " + std::string{name}, -failed);
    // The buffers below are sized by the contract, the kernel copies by the map.
    if (info.key_size != sizes.key || info.value_size != sizes.value)
        return error("map " + std::string{name} + " has keys or values of another size");
    return info.max_entries;
}

enum class Walk { done, unsupported };

/// Batches lock a bucket at a time: no restart, so no loop.
Result<Walk> by_batch(int map, Sizes sizes, std::string_view name, Entries& out)
{
    std::vector<std::byte> resume(std::max(sizes.key, sizeof(std::uint64_t))), next(resume.size());
    std::size_t most = 2 * out.capacity + largest_batch; // rows may be entered while we read
    std::uint32_t room = first_batch;
    for (bool first = true; out.count < most;) {
        out.keys.resize((out.count + room) * sizes.key);
        out.values.resize((out.count + room) * sizes.value);
        std::uint32_t got = room;
        int failed = bpf_map_lookup_batch(map, first ? nullptr : resume.data(), next.data(),
                                          out.keys.data() + out.count * sizes.key,
                                          out.values.data() + out.count * sizes.value, &got, nullptr);
        if (failed == -ENOSPC && room < largest_batch) {
            room *= 2; // a bucket is longer than the buffer; the place in the map is still `resume`
            continue;
        }
        if (failed < 0 && failed != -ENOENT) {
            if (first)
                return Walk::unsupported; // old kernels have no batches for LPM tries
            return sys_error("read map " + std::string{name}, -failed);
        }
        out.count += got;
        std::swap(resume, next);
        first = false;
        if (failed == -ENOENT)
            return Walk::done;
    }
    out.partial = true;
    return Walk::done;
}

/// A key that vanishes sends the kernel back to the first one, hence the bound and `partial`.
Result<> by_key(int map, Sizes sizes, std::string_view name, Entries& out)
{
    out.count = 0;
    std::vector<std::byte> key(sizes.key), next(sizes.key), value(sizes.value);
    std::size_t steps = 2 * out.capacity + 1;
    for (bool first = true; steps > 0; --steps, first = false) {
        int failed = bpf_map_get_next_key(map, first ? nullptr : key.data(), next.data());
        if (failed == -ENOENT)
            return {};
        if (failed < 0)
            return sys_error("walk map " + std::string{name}, -failed);
        key = next;
        failed = bpf_map_lookup_elem(map, key.data(), value.data());
        if (failed == -ENOENT)
            continue; // deleted since
        if (failed < 0)
            return sys_error("read map " + std::string{name}, -failed);
        out.keys.resize(out.count * sizes.key);
        out.values.resize(out.count * sizes.value);
        out.keys.insert(out.keys.end(), key.begin(), key.end());
        out.values.insert(out.values.end(), value.begin(), value.end());
        ++out.count;
    }
    out.partial = true;
    return {};
}

} // namespace

Result<Entries> read_entries(int map, std::size_t key_size, std::size_t value_size, std::string_view name)
{
    Sizes sizes{key_size, value_size};
    auto capacity = check(map, sizes, name);
    if (!capacity)
        return std::unexpected{std::move(capacity.error())};
    Entries out{.keys = {}, .values = {}, .capacity = *capacity};
    auto walk = by_batch(map, sizes, name, out);
    if (!walk)
        return std::unexpected{std::move(walk.error())};
    if (*walk == Walk::unsupported)
        if (auto walked = by_key(map, sizes, name, out); !walked)
            return std::unexpected{std::move(walked.error())};
    return out;
}

} // namespace naru::ctl
