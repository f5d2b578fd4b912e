#include "host.hpp"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>

#include "lb/protocol.h"
#include "tc.skel.h"

namespace naru::test {

namespace {

constexpr int lb_limits = LB_LIMIT_COUNT;

void check(int err, const bpf_map* map)
{
    if (err)
        throw std::system_error{errno, std::system_category(), bpf_map__name(map)};
}

template <class Key, class Value>
void put(bpf_map* map, const Key& key, const Value& value)
{
    check(bpf_map_update_elem(bpf_map__fd(map), &key, &value, BPF_ANY), map);
}

template <class Value, class Key>
std::optional<Value> get(bpf_map* map, const Key& key)
{
    Value value{};
    if (bpf_map_lookup_elem(bpf_map__fd(map), &key, &value))
        return std::nullopt;
    return value;
}

template <class Key>
std::vector<Key> keys(bpf_map* map)
{
    std::vector<Key> all;
    Key key{};
    for (bool more = bpf_map_get_next_key(bpf_map__fd(map), nullptr, &key) == 0; more;
         more = bpf_map_get_next_key(bpf_map__fd(map), &all.back(), &key) == 0)
        all.push_back(key);
    return all;
}

template <class Value, class Key>
std::vector<std::pair<Key, Value>> rows(bpf_map* map)
{
    std::vector<std::pair<Key, Value>> all;
    for (const auto& key : keys<Key>(map))
        if (auto value = get<Value>(map, key))
            all.emplace_back(key, *value);
    return all;
}

template <class Key>
void clear(bpf_map* map)
{
    for (const auto& key : keys<Key>(map))
        check(bpf_map_delete_elem(bpf_map__fd(map), &key), map);
}

lb_tuple tuple(const SocketAddress& src, const SocketAddress& dst, std::uint8_t protocol,
               lb_direction direction)
{
    return {.src = src.address.raw(),
            .dst = dst.address.raw(),
            .sport = src.port.raw(),
            .dport = dst.port.raw(),
            .proto = protocol,
            .direction = static_cast<std::uint8_t>(direction),
            .pad = 0};
}

lb_device device_row(std::uint32_t flags, std::uint32_t master = 0, const char* v4 = nullptr,
                     const char* v6 = nullptr)
{
    lb_device row{};
    row.flags = flags;
    row.master = master;
    if (v4)
        row.addr4 = Address::parse(v4)->raw();
    if (v6)
        row.addr6 = Address::parse(v6)->raw();
    return row;
}

bpf_map* ct_map(tc_bpf& programs, const lb_tuple& key, bool snat)
{
    if (snat)
        return programs.maps.lb_snat;
    return lb_has_connections(key.proto) ? programs.maps.lb_ct_tcp : programs.maps.lb_ct_any;
}

void fill_buckets(bpf_map* map, const lb_bucket& bucket)
{
    std::vector<lb_bucket> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()), bucket);
    for (std::uint32_t limit = 0; limit < lb_limits; ++limit)
        check(bpf_map_update_elem(bpf_map__fd(map), &limit, cpus.data(), BPF_ANY), map);
}

} // namespace

Flow flow_of(const Packet& sent, const Packet& seen)
{
    return {.forward = tuple(sent.src, sent.dst, sent.protocol, LB_DIR_FORWARD),
            .reply = tuple(seen.dst, seen.src, seen.protocol, LB_DIR_REPLY)};
}

Host::Host(const Settings& settings) : runner_{Runner::with(settings)}
{
    auto& maps = runner_.maps().maps;
    clear<lb_frontend_key>(maps.lb_frontends);
    clear<lb_range_key>(maps.lb_ranges);
    clear<std::uint32_t>(maps.lb_devices);
    clear<lb_addr>(maps.lb_own);
    forget_flows();
    clear<lb_affinity_key>(maps.lb_affinity);
    clear<lb_udp_gone_key>(maps.lb_udp_gone);
    clear<lb_fragment_key>(maps.lb_fragments);
    clear<std::uint64_t>(maps.lb_sock);
    clear<std::uint32_t>(maps.lb_loads);
    for (std::uint32_t number = 0; number < 256; ++number) {
        put(maps.lb_services, number, std::uint64_t{0});
        put(maps.lb_turns, number, std::uint64_t{0});
    }
    fill_buckets(maps.lb_buckets, {});

    const auto& net = network();
    auto uplink = device_row(LB_DEVICE_UPLINK, 0, "192.0.2.1", "2001:db8:1::1");
    std::ranges::copy(net.uplink.mac, uplink.mac);
    device(net.uplink, uplink);
    device(net.pod, device_row(LB_DEVICE_WORKLOAD));
    device(net.port, device_row(LB_DEVICE_WORKLOAD, net.bridge.ifindex));
    primary(Address::parse("192.0.2.1"), Address::parse("2001:db8:1::1"));
}

Outcome Host::ingress(const Bytes& frame, const Link& link, unsigned gso_size)
{
    return runner_.run(LB_HOOK_TC_INGRESS, frame, link.ifindex, gso_size);
}

Outcome Host::egress(const Bytes& frame, const Link& link)
{
    return runner_.run(LB_HOOK_TC_EGRESS, frame, link.ifindex);
}

std::uint32_t Host::publish(const Spec& spec, std::uint32_t number, std::uint32_t sibling)
{
    if (!number)
        number = next_number_++;
    auto backends = spec.backends;
    std::ranges::sort(backends, {}, &Backend::at);
    ServiceRow row;
    row.backends = backends;
    row.affinity_timeout_sec = spec.affinity_timeout_sec;
    row.drop_if_empty = spec.drop_if_empty;
    row.algorithm = spec.algorithm;
    row.forwarding = spec.forwarding;
    auto known = [&](std::uint32_t which) {
        auto found = blocks_.find(which);
        return found == blocks_.end() ? nullptr : &found->second;
    };
    auto block = place(known(number), row, generations_, LB_DEFAULT_SEED, known(sibling));
    auto encoded = encode(block.value(), number);
    auto offset = space_.take(encoded.size()).value(); // never given back: a test is shorter than the arena
    std::ranges::copy(encoded, arena() + offset);
    record(number, {.block = offset,
                    .rows = static_cast<std::uint16_t>(block->rows.size()),
                    .slots = static_cast<std::uint16_t>(block->slots.size())});
    blocks_.insert_or_assign(number, *block);
    return number;
}

void Host::withdraw(std::uint32_t number)
{
    record(number, {});
    blocks_.erase(number);
}

void Host::frontend(const SocketAddress& at, std::uint8_t protocol, const lb_frontend& row)
{
    lb_frontend_key key{
        .addr = at.address.raw(), .port = at.port.raw(), .proto = protocol, .pad = 0, .pad2 = 0};
    put(runner_.maps().maps.lb_frontends, key, row);
}

void Host::vip(const SocketAddress& at, std::uint8_t protocol, std::uint32_t service, std::uint8_t flags)
{
    frontend(
        at, protocol,
        {.inside = service, .outside = service, .kind = LB_KIND_LOAD_BALANCER, .flags = flags, .pad = 0});
    wildcard(at.address);
}

void Host::wildcard(const Address& address) { frontend({address, {0}}, 0, {}); }

void Host::admit(std::uint32_t service, const Cidr& network)
{
    auto bits = network.bits + (network.address.family() == Family::v4 ? 96u : 0u);
    lb_range_key key{.prefixlen = 32 + bits, .service = service, .addr = network.address.raw()};
    put(runner_.maps().maps.lb_ranges, key, std::uint32_t{1});
}

void Host::gone(const SocketAddress& at, std::uint64_t since_jiffies)
{
    lb_udp_gone_key key{.addr = at.address.raw(), .port = at.port.raw(), .pad = 0, .pad2 = 0};
    put(runner_.maps().maps.lb_udp_gone, key, lb_udp_gone{.since = since_jiffies});
}

/// A test run gives its packet a socket. The kernel numbers sockets one after another on a CPU, in pieces of
/// 4096, when they are first asked for their number.
void Host::sockets_are(std::uint8_t protocol, const SocketAddress& frontend, const SocketAddress& backend)
{
    constexpr std::uint64_t piece = 4096, enough = 64;
    lb_sock sock{};
    sock.frontend = frontend.address.raw();
    sock.frontend_port = frontend.port.raw();
    sock.backend = backend.address.raw();
    sock.backend_port = backend.port.raw();
    sock.proto = protocol;
    std::uint64_t cookie = 0;
    do {
        int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        socklen_t length = sizeof cookie;
        bool told = fd >= 0 && ::getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0;
        ::close(fd);
        if (!told)
            throw std::system_error{errno, std::system_category(), "SO_COOKIE"};
    } while (cookie % piece > piece - enough - 1);
    for (std::uint64_t next = cookie + 1; next <= cookie + enough; ++next)
        put(runner_.maps().maps.lb_sock, next, sock);
}

void Host::device(const Link& link, std::optional<lb_device> row)
{
    auto* map = runner_.maps().maps.lb_devices;
    if (row)
        put(map, link.ifindex, *row);
    else
        check(bpf_map_delete_elem(bpf_map__fd(map), &link.ifindex), map);
}

void Host::own(const Address& address, unsigned ifindex)
{
    put(runner_.maps().maps.lb_own, address.raw(), std::uint32_t{ifindex});
}

void Host::primary(const std::optional<Address>& v4, const std::optional<Address>& v6)
{
    lb_node node{};
    node.abi_version = LB_ABI_VERSION;
    node.arena_bytes = arena_bytes;
    if (v4)
        node.primary4 = v4->raw();
    if (v6)
        node.primary6 = v6->raw();
    put(runner_.maps().maps.lb_node, std::uint32_t{0}, node);
}

void Host::record(std::uint32_t number, lb_service record)
{
    put(runner_.maps().maps.lb_services, number, std::bit_cast<std::uint64_t>(record));
}

lb_service Host::record(std::uint32_t number) const
{
    return std::bit_cast<lb_service>(get<std::uint64_t>(runner_.maps().maps.lb_services, number).value());
}

FlowState Host::flows() const
{
    auto& maps = runner_.maps().maps;
    return {.tcp = rows<lb_ct, lb_tuple>(maps.lb_ct_tcp),
            .any = rows<lb_ct, lb_tuple>(maps.lb_ct_any),
            .snat = rows<lb_ct, lb_tuple>(maps.lb_snat),
            .affinity = rows<lb_affinity, lb_affinity_key>(maps.lb_affinity)};
}

std::optional<lb_ct> Host::entry(const lb_tuple& tuple, bool snat) const
{
    return get<lb_ct>(ct_map(runner_.maps(), tuple, snat), tuple);
}

void Host::write(const lb_tuple& tuple, const lb_ct& entry, bool snat)
{
    put(ct_map(runner_.maps(), tuple, snat), tuple, entry);
}

void Host::forget_flows()
{
    auto& maps = runner_.maps().maps;
    for (auto* map : {maps.lb_ct_tcp, maps.lb_ct_any, maps.lb_snat})
        clear<lb_tuple>(map);
}

void Host::restore(const FlowState& flows)
{
    auto& maps = runner_.maps().maps;
    for (const auto& [map, entries] :
         {std::pair{maps.lb_ct_tcp, &flows.tcp}, std::pair{maps.lb_ct_any, &flows.any},
          std::pair{maps.lb_snat, &flows.snat}})
        for (const auto& [key, entry] : *entries)
            put(map, key, entry);
    for (const auto& [key, sticky] : flows.affinity)
        put(maps.lb_affinity, key, sticky);
}

template <class Change>
void Host::change_last_seen(Change change)
{
    auto& maps = runner_.maps().maps;
    for (auto* map : {maps.lb_ct_tcp, maps.lb_ct_any, maps.lb_snat})
        for (auto [key, entry] : rows<lb_ct, lb_tuple>(map)) {
            entry.last_seen = change(entry.last_seen);
            put(map, key, entry);
        }
    for (auto [key, sticky] : rows<lb_affinity, lb_affinity_key>(maps.lb_affinity)) {
        sticky.last_seen = change(sticky.last_seen);
        put(maps.lb_affinity, key, sticky);
    }
}

void Host::pass(std::chrono::seconds time)
{
    auto ticks = static_cast<std::uint64_t>(time.count()) * ticks_per_second();
    change_last_seen([=](std::uint64_t seen) { return seen - ticks; });
    age_buckets(ticks);
}

void Host::idle(std::uint64_t ticks, std::uint64_t now)
{
    change_last_seen([=](std::uint64_t) { return now - ticks; });
}

void Host::age_buckets(std::uint64_t ticks)
{
    auto* map = runner_.maps().maps.lb_buckets;
    std::vector<lb_bucket> cpus(static_cast<std::size_t>(libbpf_num_possible_cpus()));
    for (std::uint32_t limit = 0; limit < lb_limits; ++limit) {
        check(bpf_map_lookup_elem(bpf_map__fd(map), &limit, cpus.data()), map);
        for (auto& bucket : cpus)
            bucket.filled -= ticks;
        check(bpf_map_update_elem(bpf_map__fd(map), &limit, cpus.data(), BPF_ANY), map);
    }
}

std::int64_t Host::open_connections(std::uint32_t service, std::uint16_t position) const
{
    const auto generation = block(service).rows.at(position).generation;
    const auto load = get<lb_load>(runner_.maps().maps.lb_loads, generation).value_or(lb_load{});
    return static_cast<std::int64_t>(load.opened - load.closed);
}

std::size_t Host::fragmented() const
{
    return keys<lb_fragment_key>(runner_.maps().maps.lb_fragments).size();
}

void Host::age_fragments(std::uint64_t ticks)
{
    auto* map = runner_.maps().maps.lb_fragments;
    for (auto [key, fragment] : rows<lb_fragment, lb_fragment_key>(map)) {
        fragment.since -= ticks;
        put(map, key, fragment);
    }
}

Backend local(const SocketAddress& at)
{
    return {.at = at, .chosen = true, .serving = true, .local = true, .terminating = false};
}

Backend remote(const SocketAddress& at)
{
    return {.at = at, .chosen = true, .serving = true, .local = false, .terminating = false};
}

Backend draining(Backend backend)
{
    backend.chosen = false;
    backend.terminating = true;
    return backend;
}

} // namespace naru::test
