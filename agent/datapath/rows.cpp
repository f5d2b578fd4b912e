#include "rows.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include <fmt/format.h>

namespace naru {

namespace {

constexpr unsigned service_bits = 32;
constexpr unsigned mapped_bits = 96; ///< in front of an IPv4 address

struct Flag {
    bool FrontendRow::* member;
    std::uint8_t bit;
};
constexpr std::array flags{
    Flag{&FrontendRow::host_only, LB_FRONTEND_HOST_ONLY},
    Flag{&FrontendRow::node_address, LB_FRONTEND_NODE_ADDRESS},
    Flag{&FrontendRow::ranges, LB_FRONTEND_RANGES},
    Flag{&FrontendRow::admits_node, LB_FRONTEND_ADMITS_NODE},
};

std::optional<Protocol> protocol_of(std::uint8_t number)
{
    switch (auto protocol = static_cast<Protocol>(number)) {
    case Protocol::tcp:
    case Protocol::udp:
    case Protocol::sctp:
        return protocol;
    default:
        return std::nullopt;
    }
}

template <std::size_t Size>
bool write_text(char (&to)[Size], std::string_view text)
{
    if (text.size() >= Size || text.contains('\0'))
        return false;
    std::memcpy(to, text.data(), text.size());
    return true;
}

template <std::size_t Size>
std::optional<std::string> read_text(const char (&from)[Size])
{
    std::string_view bytes{from, Size};
    auto end = bytes.find('\0');
    if (end == bytes.npos)
        return std::nullopt;
    return std::string{bytes.substr(0, end)};
}

} // namespace

lb_frontend_key to_raw(const FrontendKey& key)
{
    lb_frontend_key raw{};
    raw.addr = key.address.raw();
    if (key.protocol) {
        raw.port = key.port.raw();
        raw.proto = static_cast<std::uint8_t>(*key.protocol);
    }
    return raw;
}

std::optional<FrontendKey> from_raw(const lb_frontend_key& raw)
{
    FrontendKey key{.address = Address::from(raw.addr), .port = Port::from(raw.port), .protocol = {}};
    if (raw.pad != 0 || raw.pad2 != 0)
        return std::nullopt;
    if (raw.proto == 0)
        return raw.port == 0 ? std::optional{key} : std::nullopt;
    key.protocol = protocol_of(raw.proto);
    return key.protocol && raw.port != 0 ? std::optional{key} : std::nullopt;
}

lb_frontend to_raw(const FrontendRow& row, std::uint32_t inside, std::uint32_t outside)
{
    lb_frontend raw{};
    raw.inside = inside;
    raw.outside = outside;
    raw.kind = static_cast<std::uint8_t>(row.kind);
    for (const auto& flag : flags)
        if (row.*flag.member)
            raw.flags = static_cast<std::uint8_t>(raw.flags | flag.bit);
    return raw;
}

std::optional<FrontendRow> from_raw(const FrontendKey& key, const lb_frontend& raw)
{
    FrontendRow row;
    row.kind = static_cast<lb_frontend_kind>(raw.kind);
    for (const auto& flag : flags)
        row.*flag.member = (raw.flags & flag.bit) != 0;
    bool kind_fits =
        key.protocol ? raw.kind >= LB_KIND_CLUSTER_IP && raw.kind <= LB_KIND_EXTERNAL_IP : raw.kind == 0;
    bool sides_fit = key.protocol.has_value() || (raw.inside == 0 && raw.outside == 0);
    if (!kind_fits || !sides_fit || raw.pad != 0 || to_raw(row, raw.inside, raw.outside).flags != raw.flags)
        return std::nullopt;
    return row;
}

bool is_tombstone(const lb_frontend& raw) { return (raw.flags & LB_FRONTEND_TOMBSTONE) != 0; }

std::optional<lb_frontend> tombstone(const FrontendKey& key, const FrontendRow& row)
{
    if (!key.protocol || !has_connections(*key.protocol) || row.host_only)
        return std::nullopt;
    lb_frontend raw{};
    raw.kind = static_cast<std::uint8_t>(row.kind);
    raw.flags =
        static_cast<std::uint8_t>(LB_FRONTEND_TOMBSTONE | (row.node_address ? LB_FRONTEND_NODE_ADDRESS : 0));
    return raw;
}

Result<lb_service_name> to_raw(const ServiceId& id, lb_service_type type)
{
    lb_service_name raw{};
    bool fits = write_text(raw.ns, id.key.ns) && write_text(raw.name, id.key.name) &&
                write_text(raw.port_name, id.port_name);
    if (!fits)
        return error(fmt::format(
            "{}: namespace, name or port name has a NUL or more than {} bytes; nothing was changed",
            id.text(), LB_NAME_LEN - 1));
    if (!write_text(raw.uid, id.uid))
        return error(fmt::format("{}: the uid has more than {} bytes; nothing was changed", id.text(),
                                 LB_UID_LEN - 1));
    raw.proto = static_cast<std::uint8_t>(id.protocol);
    raw.family = static_cast<std::uint8_t>(id.family);
    raw.scope = static_cast<std::uint8_t>(id.scope);
    raw.type = static_cast<std::uint8_t>(type);
    return raw;
}

std::optional<NamedService> from_raw(const lb_service_name& raw)
{
    auto ns = read_text(raw.ns);
    auto name = read_text(raw.name);
    auto port_name = read_text(raw.port_name);
    auto uid = read_text(raw.uid);
    auto protocol = protocol_of(raw.proto);
    bool family_fits = raw.family == static_cast<std::uint8_t>(Family::v4) ||
                       raw.family == static_cast<std::uint8_t>(Family::v6);
    bool scope_fits = raw.scope == LB_SCOPE_CLUSTER || raw.scope == LB_SCOPE_LOCAL;
    bool type_fits = raw.type >= LB_TYPE_CLUSTER_IP && raw.type <= LB_TYPE_LOAD_BALANCER;
    if (!ns || !name || name->empty() || !port_name || !uid || !protocol || !family_fits || !scope_fits ||
        !type_fits)
        return std::nullopt;
    return NamedService{.id = {.key = {*ns, *name},
                               .uid = *uid,
                               .port_name = *port_name,
                               .protocol = *protocol,
                               .family = static_cast<Family>(raw.family),
                               .scope = static_cast<Scope>(raw.scope)},
                        .type = static_cast<lb_service_type>(raw.type)};
}

lb_range_key to_raw(std::uint32_t service, const Cidr& network)
{
    lb_range_key raw{};
    raw.prefixlen = service_bits + (network.address.family() == Family::v4 ? mapped_bits : 0) + network.bits;
    raw.service = service;
    raw.addr = network.address.raw();
    return raw;
}

std::optional<Cidr> network_of(const lb_range_key& raw)
{
    Cidr network{.address = Address::from(raw.addr), .bits = 0};
    auto ahead = service_bits + (network.address.family() == Family::v4 ? mapped_bits : 0);
    if (raw.prefixlen < ahead || raw.prefixlen > service_bits + 128)
        return std::nullopt;
    network.bits = raw.prefixlen - ahead;
    return network;
}

ServiceRow row_of(const Block& block)
{
    std::vector<Backend> backends;
    for (const auto& raw : block.rows)
        if (raw.generation != 0)
            backends.push_back({.at = {Address::from(raw.addr), Port::from(raw.port)},
                                .chosen = (raw.flags & LB_BACKEND_CHOSEN) != 0,
                                .serving = (raw.flags & LB_BACKEND_SERVING) != 0,
                                .local = (raw.flags & LB_BACKEND_LOCAL) != 0,
                                .terminating = (raw.flags & LB_BACKEND_TERMINATING) != 0,
                                .weight = raw.weight});
    std::ranges::sort(backends);
    ServiceRow row;
    row.backends = backends;
    row.affinity_timeout_sec = block.affinity_timeout_sec;
    row.drop_if_empty = (block.flags & LB_SERVICE_DROP_IF_EMPTY) != 0;
    row.algorithm = block.algorithm;
    row.forwarding = forwarding_of(block);
    return row;
}

} // namespace naru
