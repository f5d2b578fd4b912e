#include "udp_gone.hpp"

#include "jiffies.hpp"
#include "object_info.hpp"
#include "table.hpp"
#include "udp_sockets.hpp"

namespace naru {

namespace {

using GoneTable = Table<lb_udp_gone_key, lb_udp_gone>;

GoneTable table_of(const Maps& maps) { return {maps.udp_gone.get(), "lb_udp_gone"}; }

lb_udp_gone_key key_of(const SocketAddress& at)
{
    return {.addr = at.address.raw(), .port = at.port.raw(), .pad = 0, .pad2 = 0};
}

SocketAddress backend_of(const lb_sock& sock)
{
    return {Address::from(sock.backend), Port::from(sock.backend_port)};
}

bool is_udp(const lb_sock& sock) { return sock.proto == static_cast<std::uint8_t>(Protocol::udp); }

const ServiceId* udp_service(const Change& change)
{
    const ServiceId* id = nullptr;
    if (const auto* put = std::get_if<PutService>(&change))
        id = &put->id;
    else if (const auto* erase = std::get_if<EraseService>(&change))
        id = &erase->id;
    return id && id->protocol == Protocol::udp ? id : nullptr;
}

Backends backends_of(const Tables& tables, const ServiceId& id)
{
    const auto* row = find_row(tables.services, id);
    return row ? row->backends : Backends{};
}

} // namespace

Result<UdpGone> UdpGone::open(Maps maps, const Tables& installed, std::vector<std::string>& findings)
{
    auto info = object_info<bpf_map_info>(maps.udp_gone.get());
    if (!info)
        return std::unexpected{info.error()};
    UdpGone opened{std::move(maps), UdpBackends{installed}, info->max_entries};
    if (auto read = opened.read_back(); !read)
        return std::unexpected{read.error()};
    if (auto found = opened.find_left_behind(); !found)
        return std::unexpected{found.error()};
    auto sockets = UdpSockets::open();
    auto able = sockets ? sockets->check_abort() : std::unexpected{sockets.error()};
    if (!able) {
        opened.can_end_ = false;
        findings.push_back("connected UDP sockets of host processes are left to backends that have gone: " +
                           able.error().message());
    }
    return opened;
}

Result<> UdpGone::read_back()
{
    auto read = table_of(maps_).for_each([&](const lb_udp_gone_key& key, const lb_udp_gone& value) {
        since_[{Address::from(key.addr), Port::from(key.port)}] = value.since;
    });
    if (!read)
        return read;
    for (const auto& [at, since] : since_)
        oldest_.emplace(since, at);
    for (const auto& [since, at] : std::set{oldest_})
        if (backends_.serves(at))
            if (auto back = welcome(at); !back)
                return back;
    return {};
}

/// An agent that ended between a change and tell() has left them in silence.
Result<> UdpGone::find_left_behind()
{
    Table<std::uint64_t, lb_sock> socks{maps_.sock.get(), "lb_sock"};
    return socks.for_each([&](std::uint64_t, const lb_sock& sock) {
        if (auto at = backend_of(sock); is_udp(sock) && !backends_.serves(at) && !since_.contains(at))
            untold_.insert(at);
    });
}

Progress UdpGone::apply(Kernel& kernel, std::span<const Change> changes)
{
    std::optional<Error> unwelcome;
    std::map<ServiceId, Backends> before;
    for (std::size_t i = 0; i < changes.size() && !unwelcome; ++i) {
        const auto* id = udp_service(changes[i]);
        if (!id)
            continue;
        if (const auto* put = std::get_if<PutService>(&changes[i]))
            for (const auto& backend : put->row.backends)
                if (auto back = welcome(backend.at); !back)
                    unwelcome = std::move(back.error());
        if (unwelcome)
            changes = changes.first(i);
        else
            before.try_emplace(*id, backends_of(kernel.installed(), *id));
    }
    auto progress = kernel.apply(changes);
    for (const auto& [id, backends] : before)
        backends_.replace(backends, backends_of(kernel.installed(), id));
    if (!progress.error)
        progress.error = std::move(unwelcome);
    return progress;
}

Result<> UdpGone::tell()
{
    for (const auto& at : backends_.take_gone())
        untold_.insert(at);
    std::erase_if(untold_, [&](const SocketAddress& at) { return backends_.serves(at); });
    if (untold_.empty())
        return {};
    auto now = now_jiffies();
    if (!now)
        return std::unexpected{now.error()};
    for (const auto& at : untold_)
        if (auto entered = enter(at, *now); !entered)
            return entered;
    if (can_end_)
        if (auto ended = end_sockets(untold_); !ended)
            return ended;
    untold_.clear();
    return {};
}

Result<> UdpGone::enter(const SocketAddress& at, std::uint64_t now)
{
    if (!since_.contains(at) && since_.size() >= capacity_) {
        auto first = oldest_.begin()->second;
        if (auto gone = welcome(first); !gone)
            return gone;
    }
    if (auto written = table_of(maps_).put(key_of(at), {.since = now}); !written)
        return written;
    if (auto [known, added] = since_.try_emplace(at, now); !added) {
        oldest_.erase({known->second, at});
        known->second = now;
    }
    oldest_.emplace(now, at);
    return {};
}

Result<> UdpGone::welcome(const SocketAddress& at)
{
    auto known = since_.find(at);
    if (known == since_.end())
        return {};
    if (auto erased = table_of(maps_).erase(key_of(at)); !erased)
        return erased;
    oldest_.erase({known->second, at});
    since_.erase(known);
    return {};
}

/// Only those that were sent there: who dialled the address itself is none of our business.
Result<> UdpGone::end_sockets(const std::set<SocketAddress>& gone)
{
    auto sockets = UdpSockets::open();
    if (!sockets)
        return std::unexpected{sockets.error()};
    Table<std::uint64_t, lb_sock> translated{maps_.sock.get(), "lb_sock"};
    std::vector<UdpSocket> stale;
    for (bool of_v6 : {false, true}) {
        auto listed = sockets->for_each(of_v6, [&](const UdpSocket& socket) {
            if (gone.contains(socket.peer))
                stale.push_back(socket);
        });
        if (!listed)
            return listed;
    }
    for (const auto& socket : stale) {
        auto known = translated.get(socket.cookie);
        if (!known)
            return std::unexpected{known.error()};
        if (!*known || !is_udp(**known) || backend_of(**known) != socket.peer)
            continue;
        if (auto ended = sockets->abort(socket); !ended)
            return ended;
        ++ended_;
    }
    return {};
}

} // namespace naru
