#include "udp_sockets.hpp"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>
#include <vector>

namespace naru {

namespace {

constexpr timeval patience{.tv_sec = 2, .tv_usec = 0};
constexpr std::size_t dump_bytes = 32768;
constexpr std::uint32_t connected_state = 1u << TCP_ESTABLISHED; // UDP has this one and TCP_CLOSE

struct Request {
    nlmsghdr header;
    inet_diag_req_v2 body;
};
static_assert(sizeof(Request) == NLMSG_LENGTH(sizeof(inet_diag_req_v2)));

Request request(std::uint16_t type, std::uint16_t flags, bool of_v6)
{
    Request made{};
    made.header.nlmsg_len = sizeof made;
    made.header.nlmsg_type = type;
    made.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
    made.body.sdiag_family = of_v6 ? AF_INET6 : AF_INET;
    made.body.sdiag_protocol = IPPROTO_UDP;
    made.body.idiag_states = connected_state;
    return made;
}

Address address_of(const __be32 (&words)[4], bool of_v6)
{
    Address address;
    if (of_v6) {
        std::memcpy(address.bytes.data(), words, 16);
    } else {
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(&address.bytes[12], words, 4);
    }
    return address;
}

void write_address(const Address& address, bool of_v6, __be32 (&words)[4])
{
    std::memcpy(words, of_v6 ? address.bytes.data() : &address.bytes[12], of_v6 ? 16 : 4);
}

UdpSocket socket_of(const inet_diag_msg& message)
{
    bool of_v6 = message.idiag_family == AF_INET6;
    const auto& id = message.id;
    return {.local = {address_of(id.idiag_src, of_v6), Port::from(id.idiag_sport)},
            .peer = {address_of(id.idiag_dst, of_v6), Port::from(id.idiag_dport)},
            .cookie = id.idiag_cookie[0] | std::uint64_t{id.idiag_cookie[1]} << 32,
            .device = id.idiag_if,
            .of_v6 = of_v6};
}

Result<> send(int fd, const Request& wanted)
{
    if (::send(fd, &wanted, sizeof wanted, 0) != static_cast<ssize_t>(sizeof wanted))
        return sys_error("ask the kernel for sockets");
    return {};
}

/// Reads one answer message by message; `take` says whether it was the last one.
template <class Take>
Result<> receive(int fd, Take take)
{
    std::vector<char> buffer(dump_bytes);
    for (;;) {
        auto length = ::recv(fd, buffer.data(), buffer.size(), 0);
        if (length < 0 && errno == EINTR)
            continue;
        if (length < 0)
            return sys_error("read the kernel's answer about sockets");
        auto left = static_cast<unsigned>(length);
        const auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data());
        for (; NLMSG_OK(message, left); message = NLMSG_NEXT(message, left)) {
            Result<bool> last = take(*message);
            if (!last)
                return std::unexpected{last.error()};
            if (*last)
                return {};
        }
    }
}

/// The error of a NLMSG_ERROR, 0 for an acknowledgement.
int error_of(const nlmsghdr& message) { return -static_cast<const nlmsgerr*>(NLMSG_DATA(&message))->error; }

} // namespace

Result<UdpSockets> UdpSockets::open()
{
    UniqueFd fd{::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG)};
    if (!fd)
        return sys_error("open a NETLINK_SOCK_DIAG socket");
    if (::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0)
        return sys_error("limit the wait for answers about sockets");
    return UdpSockets{std::move(fd)};
}

Result<> UdpSockets::for_each(bool of_v6, const std::function<void(const UdpSocket&)>& visit) const
{
    if (auto asked = send(fd_.get(), request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, of_v6)); !asked)
        return asked;
    return receive(fd_.get(), [&](const nlmsghdr& message) -> Result<bool> {
        if (message.nlmsg_type == NLMSG_DONE)
            return true;
        if (message.nlmsg_type == NLMSG_ERROR)
            return sys_error("list UDP sockets", error_of(message));
        if (message.nlmsg_type == SOCK_DIAG_BY_FAMILY)
            visit(socket_of(*static_cast<const inet_diag_msg*>(NLMSG_DATA(&message))));
        return false;
    });
}

Result<> UdpSockets::abort(const UdpSocket& socket) const
{
    auto wanted = request(SOCK_DESTROY, NLM_F_ACK, socket.of_v6);
    auto& id = wanted.body.id;
    write_address(socket.local.address, socket.of_v6, id.idiag_src);
    write_address(socket.peer.address, socket.of_v6, id.idiag_dst);
    id.idiag_sport = socket.local.port.raw();
    id.idiag_dport = socket.peer.port.raw();
    id.idiag_if = socket.device;
    id.idiag_cookie[0] = static_cast<std::uint32_t>(socket.cookie);
    id.idiag_cookie[1] = static_cast<std::uint32_t>(socket.cookie >> 32);
    if (auto asked = send(fd_.get(), wanted); !asked)
        return asked;
    return receive(fd_.get(), [&](const nlmsghdr& message) -> Result<bool> {
        if (message.nlmsg_type != NLMSG_ERROR)
            return false;
        int failed = error_of(message);
        if (failed && failed != ENOENT && failed != ESTALE)
            return sys_error("end the UDP socket " + socket.local.text() + " -> " + socket.peer.text(),
                             failed);
        return true;
    });
}

Result<> UdpSockets::check_abort() const
{
    UniqueFd own{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof at;
    UdpSocket self;
    socklen_t cookie_length = sizeof self.cookie;
    auto* generic = reinterpret_cast<sockaddr*>(&at);
    // Connected to itself: no other socket is involved, and nothing is sent.
    if (!own || ::bind(own.get(), generic, sizeof at) != 0 ||
        ::getsockname(own.get(), generic, &length) != 0 || ::connect(own.get(), generic, sizeof at) != 0 ||
        ::getsockopt(own.get(), SOL_SOCKET, SO_COOKIE, &self.cookie, &cookie_length) != 0)
        return sys_error("make a UDP socket to try the end of sockets on");
    self.local = {*Address::parse("127.0.0.1"), Port::from(at.sin_port)};
    self.peer = self.local;
    if (auto ended = abort(self); !ended)
        return ended;
    int left = 0;
    socklen_t left_length = sizeof left;
    if (::getsockopt(own.get(), SOL_SOCKET, SO_ERROR, &left, &left_length) == 0 && left == ECONNABORTED)
        return {};
    return error("this kernel does not end UDP sockets (CONFIG_INET_UDP_DIAG, CONFIG_INET_DIAG_DESTROY)");
}

} // namespace naru
