// Links, addresses and default routes over rtnetlink, and the events that tell of their changes.
#include "devices.hpp"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <span>

namespace naru {

namespace {

constexpr int dump_attempts = 10;

/// The kernel fills dumps up to 32 KiB a read, whatever more is offered.
using Buffer = std::array<char, 32768>;

/// Attributes by number; a later one of the same number wins.
class Attributes {
public:
    Attributes(const rtattr* first, std::size_t length)
    {
        auto left = static_cast<int>(length);
        for (const rtattr* each = first; RTA_OK(each, left); each = RTA_NEXT(each, left))
            found_[each->rta_type & NLA_TYPE_MASK] = each;
    }

    std::span<const std::byte> bytes(unsigned short type) const
    {
        const auto it = found_.find(type);
        if (it == found_.end())
            return {};
        return {reinterpret_cast<const std::byte*>(RTA_DATA(it->second)), RTA_PAYLOAD(it->second)};
    }

    std::optional<std::uint32_t> number(unsigned short type) const
    {
        const auto value = bytes(type);
        std::uint32_t out = 0;
        if (value.size() != sizeof out)
            return {};
        std::memcpy(&out, value.data(), sizeof out);
        return out;
    }

    std::string text(unsigned short type) const
    {
        const auto value = bytes(type);
        const auto* chars = reinterpret_cast<const char*>(value.data());
        return {chars, value.empty() ? 0 : ::strnlen(chars, value.size())};
    }

    Attributes nested(unsigned short type) const
    {
        const auto value = bytes(type);
        return {reinterpret_cast<const rtattr*>(value.data()), value.size()};
    }

private:
    std::map<int, const rtattr*> found_;
};

/// The fixed part of a message and what follows it; nullptr when the message is too short for it.
template <class Header>
const Header* header_of(const nlmsghdr& message)
{
    return message.nlmsg_len >= NLMSG_LENGTH(sizeof(Header))
               ? static_cast<const Header*>(NLMSG_DATA(&message))
               : nullptr;
}

template <class Header>
Attributes attributes_of(const nlmsghdr& message)
{
    const auto* start = static_cast<const char*>(NLMSG_DATA(&message)) + NLMSG_ALIGN(sizeof(Header));
    const std::size_t fixed = NLMSG_SPACE(sizeof(Header));
    return {reinterpret_cast<const rtattr*>(start),
            message.nlmsg_len > fixed ? message.nlmsg_len - fixed : 0};
}

std::optional<Address> to_address(std::span<const std::byte> bytes)
{
    Address address;
    if (bytes.size() == 4) {
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(&address.bytes[12], bytes.data(), 4);
    } else if (bytes.size() == 16) {
        std::memcpy(address.bytes.data(), bytes.data(), 16);
    } else {
        return {};
    }
    return address;
}

/// The types that the kernel itself takes for such when it redirects a packet (dev_is_mac_header_xmit).
bool is_headerless(unsigned short type)
{
    switch (type) {
    case ARPHRD_TUNNEL:
    case ARPHRD_TUNNEL6:
    case ARPHRD_SIT:
    case ARPHRD_IPGRE:
    case ARPHRD_IP6GRE:
    case ARPHRD_VOID:
    case ARPHRD_NONE:
    case ARPHRD_RAWIP:
    case ARPHRD_PIMREG:
    case ARPHRD_PPP:
        return true;
    default:
        return false;
    }
}

void read_link(const nlmsghdr& message, NetworkState& state, std::set<std::uint32_t>& carriers)
{
    const auto* info = header_of<ifinfomsg>(message);
    if (!info || message.nlmsg_type != RTM_NEWLINK || info->ifi_index <= 0)
        return;
    const auto attributes = attributes_of<ifinfomsg>(message);
    Link link;
    link.index = static_cast<std::uint32_t>(info->ifi_index);
    link.name = attributes.text(IFLA_IFNAME);
    link.kind = attributes.nested(IFLA_LINKINFO).text(IFLA_INFO_KIND);
    link.master = attributes.number(IFLA_MASTER).value_or(0);
    link.up = info->ifi_flags & IFF_UP;
    link.loopback = info->ifi_flags & IFF_LOOPBACK;
    link.ethernet = info->ifi_type == ARPHRD_ETHER;
    link.headerless = is_headerless(info->ifi_type);
    if (const auto mac = attributes.bytes(IFLA_ADDRESS); mac.size() == link.mac.size())
        std::memcpy(link.mac.data(), mac.data(), link.mac.size());
    if (link.kind == "vlan")
        carriers.insert(attributes.number(IFLA_LINK).value_or(0));
    state.links[link.index] = std::move(link);
}

/// Addresses the kernel no longer prefers come behind the others: the first of a family is the one to send
/// from.
void read_address(const nlmsghdr& message, NetworkState& state,
                  std::map<std::uint32_t, std::vector<Address>>& deprecated)
{
    const auto* info = header_of<ifaddrmsg>(message);
    if (!info || message.nlmsg_type != RTM_NEWADDR)
        return;
    const auto link = state.links.find(info->ifa_index);
    const auto attributes = attributes_of<ifaddrmsg>(message);
    const std::uint32_t flags = attributes.number(IFA_FLAGS).value_or(info->ifa_flags);
    // On a point-to-point device IFA_ADDRESS is the other end; IFA_LOCAL is absent for ordinary IPv6.
    const auto own = attributes.bytes(IFA_LOCAL);
    const auto address = to_address(own.empty() ? attributes.bytes(IFA_ADDRESS) : own);
    if (link == state.links.end() || !address || (flags & IFA_F_DADFAILED))
        return;
    auto& list = flags & IFA_F_DEPRECATED ? deprecated[info->ifa_index] : link->second.addresses;
    list.push_back(*address);
}

bool is_default_route(const rtmsg& route)
{
    return route.rtm_dst_len == 0 && (route.rtm_family == AF_INET || route.rtm_family == AF_INET6) &&
           !(route.rtm_flags & RTM_F_CLONED);
}

void read_route(const nlmsghdr& message, NetworkState& state)
{
    const auto* route = header_of<rtmsg>(message);
    if (!route || message.nlmsg_type != RTM_NEWROUTE || !is_default_route(*route) ||
        route->rtm_type != RTN_UNICAST)
        return;
    const auto attributes = attributes_of<rtmsg>(message);
    if (attributes.number(RTA_TABLE).value_or(route->rtm_table) != RT_TABLE_MAIN)
        return;
    if (const auto device = attributes.number(RTA_OIF))
        state.default_route_devices.insert(*device);
    const auto hops = attributes.bytes(RTA_MULTIPATH);
    const auto* hop = reinterpret_cast<const rtnexthop*>(hops.data());
    auto left = static_cast<int>(hops.size());
    while (left >= static_cast<int>(sizeof *hop) && RTNH_OK(hop, left)) {
        state.default_route_devices.insert(static_cast<std::uint32_t>(hop->rtnh_ifindex));
        left -= static_cast<int>(RTNH_ALIGN(hop->rtnh_len));
        hop = RTNH_NEXT(hop);
    }
}

struct Request {
    nlmsghdr head{};
    ifinfomsg link{};
    rtattr mask_head{RTA_LENGTH(sizeof(std::uint32_t)), IFLA_EXT_MASK};
    std::uint32_t mask = RTEXT_FILTER_SKIP_STATS;
};

/// Asks for everything of one type. Statistics are left out of the answer about links; the other types have a
/// shorter header, and no attributes.
Request dump_request(unsigned short type, unsigned char family)
{
    Request request;
    const std::size_t body = type == RTM_GETADDR ? sizeof(ifaddrmsg) : sizeof(rtmsg);
    request.head.nlmsg_len =
        static_cast<std::uint32_t>(type == RTM_GETLINK ? sizeof request : NLMSG_LENGTH(body));
    request.head.nlmsg_type = type;
    request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.link.ifi_family = family;
    return request;
}

/// Calls `take` for each message up to the end of the dump. True: complete; false: the kernel says that the
/// list changed while it was read.
Result<bool> dump_once(int fd, unsigned short type, unsigned char family,
                       const std::function<void(const nlmsghdr&)>& take)
{
    static std::uint32_t sequence = 0;
    Request request = dump_request(type, family);
    request.head.nlmsg_seq = ++sequence;
    if (::send(fd, &request, request.head.nlmsg_len, 0) < 0)
        return sys_error("ask the kernel for network devices");

    alignas(nlmsghdr) Buffer buffer;
    bool complete = true;
    for (;;) {
        const ssize_t received = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0)
            return sys_error("read network devices from the kernel");
        auto left = static_cast<std::uint32_t>(received);
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            if (message->nlmsg_seq != sequence)
                continue; // the rest of a dump that was given up
            if (message->nlmsg_flags & NLM_F_DUMP_INTR)
                complete = false;
            if (message->nlmsg_type == NLMSG_DONE)
                return complete;
            if (message->nlmsg_type == NLMSG_ERROR) {
                const auto* answer = header_of<nlmsgerr>(*message);
                return sys_error("list network devices", answer ? -answer->error : EBADMSG);
            }
            take(*message);
        }
    }
}

/// True: a whole and consistent state was read.
Result<bool> read_once(int fd, NetworkState& state)
{
    std::map<std::uint32_t, std::vector<Address>> deprecated;
    std::set<std::uint32_t> carriers; ///< of VLANs
    bool complete = true;
    const auto take = [&](const nlmsghdr& message) {
        read_link(message, state, carriers);
        read_address(message, state, deprecated);
        read_route(message, state);
    };
    constexpr std::pair<unsigned short, unsigned char> listings[] = {{RTM_GETLINK, AF_UNSPEC},
                                                                     {RTM_GETADDR, AF_UNSPEC},
                                                                     {RTM_GETROUTE, AF_INET},
                                                                     {RTM_GETROUTE, AF_INET6}};
    for (const auto& [type, family] : listings) {
        const auto done = dump_once(fd, type, family, take);
        if (!done)
            return std::unexpected{done.error()};
        complete = complete && *done;
    }
    for (const auto index : carriers)
        if (const auto link = state.links.find(index); link != state.links.end())
            link->second.carries_vlans = true;
    for (auto& [index, list] : deprecated)
        std::ranges::copy(list, std::back_inserter(state.links[index].addresses));
    return complete;
}

Result<UniqueFd> open_socket(int flags, std::uint32_t groups)
{
    UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_ROUTE)};
    if (!fd)
        return sys_error("open a netlink socket");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = groups;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
        return sys_error("bind a netlink socket");
    return fd;
}

/// Route events are many on nodes with a routing daemon, and only default routes matter here.
bool concerns_devices(const nlmsghdr& message)
{
    switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
    case RTM_NEWADDR:
    case RTM_DELADDR:
        return true;
    case RTM_NEWROUTE:
    case RTM_DELROUTE: {
        const auto* route = header_of<rtmsg>(message);
        return route && is_default_route(*route);
    }
    default:
        return false;
    }
}

} // namespace

Result<Netlink> Netlink::open()
{
    // Events first: what changes between the two is not missed.
    auto events = open_socket(SOCK_NONBLOCK, RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                                 RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
    if (!events)
        return std::unexpected{events.error()};
    auto dump = open_socket(0, 0);
    if (!dump)
        return std::unexpected{dump.error()};
    const timeval deadline{.tv_sec = 2, .tv_usec = 0};
    if (::setsockopt(dump->get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) < 0)
        return sys_error("set a deadline on a netlink socket");
    return Netlink{std::move(*dump), std::move(*events)};
}

Result<NetworkState> Netlink::read()
{
    for (int attempt = 0; attempt < dump_attempts; attempt++) {
        NetworkState state;
        const auto complete = read_once(dump_.get(), state);
        if (!complete)
            return std::unexpected{complete.error()};
        if (*complete)
            return state;
    }
    return error("network devices change faster than they can be listed");
}

bool Netlink::drain()
{
    alignas(nlmsghdr) Buffer buffer;
    bool changed = false;
    for (;;) {
        const ssize_t received = ::recv(events_.get(), buffer.data(), buffer.size(), 0);
        if (received < 0 && errno == EINTR)
            continue;
        if (received < 0 && errno == ENOBUFS) {
            changed = true; // events were lost: anything may have happened
            continue;
        }
        if (received <= 0)
            return changed;
        auto left = static_cast<std::uint32_t>(received);
        for (const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left))
            changed = changed || concerns_devices(*message);
    }
}

} // namespace naru
