#include "route.hpp"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "fd.hpp"

namespace naru {

namespace {

struct Request {
    nlmsghdr head{};
    rtmsg route{};
    rtattr destination_head{};
    std::array<std::uint8_t, 16> destination{};
};

Request request_for(const Address& address)
{
    const bool v4 = address.family() == Family::v4;
    const std::size_t length = v4 ? 4 : 16;
    Request request;
    request.route.rtm_family = v4 ? AF_INET : AF_INET6;
    request.route.rtm_dst_len = static_cast<std::uint8_t>(length * 8);
    request.destination_head.rta_type = RTA_DST;
    request.destination_head.rta_len = static_cast<std::uint16_t>(RTA_LENGTH(length));
    std::memcpy(request.destination.data(), address.bytes.data() + (v4 ? 12 : 0), length);
    request.head.nlmsg_len =
        static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof request.route) + RTA_LENGTH(length));
    request.head.nlmsg_type = RTM_GETROUTE;
    request.head.nlmsg_flags = NLM_F_REQUEST;
    return request;
}

/// Routes that refuse are errors to the kernel, too.
bool means_no_route(int error)
{
    return error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EINVAL;
}

std::optional<std::uint32_t> device_in(const nlmsghdr& message)
{
    const auto* route = static_cast<const rtmsg*>(NLMSG_DATA(&message));
    if (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_LOCAL)
        return {};
    auto left = static_cast<int>(RTM_PAYLOAD(&message));
    for (const auto* each = RTM_RTA(route); RTA_OK(each, left); each = RTA_NEXT(each, left)) {
        std::uint32_t device = 0;
        if (each->rta_type != RTA_OIF || RTA_PAYLOAD(each) != sizeof device)
            continue;
        std::memcpy(&device, RTA_DATA(each), sizeof device);
        return device;
    }
    return {};
}

} // namespace

Result<std::optional<std::uint32_t>> device_towards(const Address& destination)
{
    UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE)};
    if (!fd)
        return sys_error("open a netlink socket");
    const timeval deadline{.tv_sec = 1, .tv_usec = 0};
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) < 0)
        return sys_error("set a deadline on a netlink socket");
    const auto request = request_for(destination);
    if (::send(fd.get(), &request, request.head.nlmsg_len, 0) < 0)
        return sys_error("ask the kernel for a route");
    alignas(nlmsghdr) std::array<char, 8192> buffer;
    const ssize_t received = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (received < 0)
        return sys_error("read a route from the kernel");
    const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
    if (!NLMSG_OK(message, static_cast<std::uint32_t>(received)))
        return error("the kernel's answer about a route cannot be read");
    if (message->nlmsg_type == NLMSG_ERROR) {
        const int failed = -static_cast<const nlmsgerr*>(NLMSG_DATA(message))->error;
        if (means_no_route(failed))
            return std::optional<std::uint32_t>{};
        return sys_error("find the route to " + destination.text(), failed);
    }
    return device_in(*message);
}

} // namespace naru
