#include "sweep.hpp"

#include <sys/mman.h>

#include <cstring>
#include <set>
#include <tuple>
#include <vector>

#include "lazy_mapping.hpp"
#include "lb/protocol.h"
#include "loads.hpp"
#include "rows.hpp"
#include "table.hpp"

namespace naru {

namespace {

/// Addresses and ports that connections still dial, and by which protocol.
using Dialled = std::set<std::tuple<Address, Port, std::uint8_t>>;

/// An entry written after `now` was read is not old.
bool older_than(std::uint64_t last_seen, std::uint32_t lifetime_sec, std::uint32_t hz, std::uint64_t now)
{
    auto idle = static_cast<std::int64_t>(now - last_seen);
    return idle >= 0 && static_cast<std::uint64_t>(idle) >= std::uint64_t{lifetime_sec} * hz;
}

std::uint32_t lifetime_sec(const lb_ct& entry, std::uint8_t proto, const lb_config& config)
{
    if (!lb_has_connections(proto))
        return entry.state == LB_CT_OPEN ? config.udp_unreplied_sec : config.udp_sec;
    switch (entry.state) {
    case LB_CT_OPEN:
        return config.tcp_unreplied_sec;
    case LB_CT_ESTABLISHED:
        if ((entry.flags & LB_CT_DSR) && (entry.flags & LB_CT_FIN))
            return LB_DSR_FIN_SEC;
        return config.tcp_established_sec;
    default:
        return config.tcp_closing_sec;
    }
}

class Sweep {
public:
    Sweep(const Maps& maps, const lb_config& config, std::uint64_t now,
          std::span<const std::uint32_t> compared)
        : maps_{maps}, config_{config}, now_{now}, loads_{maps, compared}
    {
    }

    Result<SweepResult> run()
    {
        if (auto found = find_tombstones(); !found)
            return std::unexpected{found.error()};
        if (auto read = loads_.begin(); !read)
            return std::unexpected{read.error()};
        for (auto [map, name] : {std::pair{maps_.ct_tcp.get(), "lb_ct_tcp"},
                                 {maps_.ct_any.get(), "lb_ct_any"},
                                 {maps_.snat.get(), "lb_snat"}})
            if (auto swept = flows(map, name); !swept)
                return std::unexpected{swept.error()};
        if (auto swept = affinity(); !swept)
            return std::unexpected{swept.error()};
        if (auto swept = datagrams(); !swept)
            return std::unexpected{swept.error()};
        if (auto swept = bury(); !swept)
            return std::unexpected{swept.error()};
        if (auto counted = sockets(); !counted)
            return std::unexpected{counted.error()};
        auto corrected = loads_.settle();
        if (!corrected)
            return std::unexpected{corrected.error()};
        result_.corrected = *corrected;
        return result_;
    }

private:
    template <class Key, class Value, class Expired>
    Result<> pass(int map, const char* name, Expired expired)
    {
        Table<Key, Value> table{map, name};
        Result<bool> deleted = false;
        auto read = table.for_each([&](const Key& key, const Value& value) {
            ++result_.seen;
            if (!deleted || !expired(key, value))
                return;
            // A flow may have begun anew since the batch was read.
            deleted = table.erase_if(key, [&](const Value& now_there) { return expired(key, now_there); });
            result_.deleted += deleted.value_or(false);
        });
        if (read && !deleted)
            return std::unexpected{deleted.error()};
        return read;
    }

    Result<> flows(int map, const char* name)
    {
        return pass<lb_tuple, lb_ct>(map, name, [&](const lb_tuple& key, const lb_ct& entry) {
            if (older_than(entry.last_seen, lifetime_sec(entry, key.proto, config_), config_.hz, now_))
                return true;
            if (!tombstones_.empty() && key.direction == LB_DIR_FORWARD && lb_has_connections(key.proto))
                needed_.emplace(Address::from(key.dst), Port::from(key.dport), key.proto);
            if (key.direction == LB_DIR_FORWARD && entry.state != LB_CT_CLOSING)
                loads_.saw(entry.generation);
            return false;
        });
    }

    /// Void when its service or its affinity is gone. One whose time has passed stays until the LRU takes it:
    /// finding it is what tells the programs that a returning client may land elsewhere. Blocks are read as
    /// the programs read them: what is reused meanwhile makes a wrong answer about one entry, which then
    /// costs a fresh pick.
    Result<> affinity()
    {
        auto arena = LazyMapping::open(maps_.arena.get(), maps_.arena_bytes, PROT_READ, "lb_arena");
        if (!arena)
            return std::unexpected{arena.error()};
        Table<std::uint32_t, lb_service> services{maps_.services.get(), "lb_services"};
        return pass<lb_affinity_key, lb_affinity>(
            maps_.affinity.get(), "lb_affinity", [&](const lb_affinity_key&, const lb_affinity& entry) {
                auto record = services.get(entry.service);
                if (!record)
                    return false;
                if (!*record || (*record)->block == 0 ||
                    (*record)->block + sizeof(lb_block) > maps_.arena_bytes)
                    return true;
                auto bytes = arena->at((*record)->block, sizeof(lb_block));
                if (!bytes)
                    return false;
                lb_block block{};
                std::memcpy(&block, bytes->data(), sizeof block);
                return block.affinity_epoch != entry.epoch;
            });
    }

    Result<> datagrams()
    {
        return pass<lb_sock_udp_key, lb_sock_udp>(
            maps_.sock_udp.get(), "lb_sock_udp", [&](const lb_sock_udp_key& key, const lb_sock_udp& entry) {
                if (older_than(entry.last_seen, config_.sock_udp_sec, config_.hz, now_))
                    return true;
                if (key.direction == LB_DIR_FORWARD)
                    loads_.saw(entry.generation);
                return false;
            });
    }

    /// They end by themselves.
    Result<> sockets()
    {
        if (loads_.empty())
            return {};
        return Table<std::uint64_t, lb_sock>{maps_.sock.get(), "lb_sock"}.for_each(
            [&](std::uint64_t, const lb_sock& sock) { loads_.saw(sock.generation); });
    }

    Result<> find_tombstones()
    {
        return frontends_.for_each([&](const lb_frontend_key& key, const lb_frontend& row) {
            if (is_tombstone(row))
                tombstones_.push_back(key);
        });
    }

    Result<> bury()
    {
        for (const auto& key : tombstones_) {
            if (needed_.contains({Address::from(key.addr), Port::from(key.port), key.proto})) {
                ++result_.tombstones;
                continue;
            }
            if (auto gone = frontends_.erase(key); !gone)
                return gone;
            ++result_.deleted;
        }
        return {};
    }

    const Maps& maps_;
    const lb_config& config_;
    std::uint64_t now_;
    LoadCensus loads_;
    Table<lb_frontend_key, lb_frontend> frontends_{maps_.frontends.get(), "lb_frontends"};
    std::vector<lb_frontend_key> tombstones_;
    Dialled needed_;
    SweepResult result_;
};

} // namespace

Result<SweepResult> sweep(const Maps& maps, const lb_config& config, std::uint64_t now_jiffies,
                          std::span<const std::uint32_t> compared)
{
    return Sweep{maps, config, now_jiffies, compared}.run();
}

} // namespace naru
