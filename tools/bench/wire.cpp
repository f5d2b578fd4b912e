#include "wire.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <memory>
#include <vector>

#include <fmt/format.h>

#include "machine.hpp"
#include "sockaddr.hpp"

namespace naru::bench {

namespace {

constexpr Port port{8080};
constexpr std::size_t chunk = 64 << 10;
constexpr std::uint64_t mebibyte = 1 << 20;

/// What a client says first.
struct Opening {
    Pattern pattern = Pattern::stream;
    std::uint64_t bytes = 0; ///< of a stream
};

bool read_all(int socket, void* to, std::size_t size)
{
    return ::recv(socket, to, size, MSG_WAITALL) == static_cast<ssize_t>(size);
}

bool write_all(int socket, const char* from, std::size_t size)
{
    while (size > 0) {
        const auto sent = ::send(socket, from, size, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        from += sent;
        size -= static_cast<std::size_t>(sent);
    }
    return true;
}

void at_once(int socket)
{
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void serve(int socket)
{
    Opening opening;
    char byte = 0;
    if (!read_all(socket, &opening, sizeof(opening)))
        return;
    if (opening.pattern == Pattern::request_response) {
        while (read_all(socket, &byte, 1) && write_all(socket, &byte, 1))
            continue;
        return;
    }
    std::vector<char> buffer(chunk);
    while (opening.bytes > 0) {
        const auto got = ::recv(socket, buffer.data(), buffer.size(), 0);
        if (got <= 0)
            return;
        opening.bytes -= std::min(opening.bytes, static_cast<std::uint64_t>(got));
    }
    write_all(socket, &byte, 1);
}

Result<UniqueFd> listen_here()
{
    UniqueFd listener{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    const auto any = sockaddr_of({Address{}, port});
    if (!listener || ::bind(listener.get(), any.get(), any.length) || ::listen(listener.get(), 16))
        return sys_error("listen");
    return listener;
}

/// One connection after the other.
void answer_all(int channel)
{
    auto listener = ::unshare(CLONE_NEWNET) ? sys_error("make a network namespace") : listen_here();
    const auto ready = Answer<char>::of(listener ? Result<char>{'\0'} : std::unexpected{listener.error()});
    if (::send(channel, &ready, sizeof(ready), 0) != sizeof(ready) || !listener)
        return;
    for (;;) {
        const UniqueFd socket{::accept4(listener->get(), nullptr, nullptr, SOCK_CLOEXEC)};
        if (!socket)
            return;
        at_once(socket.get());
        serve(socket.get());
    }
}

bool exchange(int socket, std::uint32_t times)
{
    char byte = 0;
    for (std::uint32_t i = 0; i < times; ++i)
        if (!write_all(socket, &byte, 1) || !read_all(socket, &byte, 1))
            return false;
    return true;
}

bool stream(int socket, std::uint64_t bytes)
{
    const std::vector<char> buffer(chunk);
    for (; bytes > 0; bytes -= std::min<std::uint64_t>(bytes, chunk))
        if (!write_all(socket, buffer.data(), std::min<std::uint64_t>(bytes, chunk)))
            return false;
    char byte = 0;
    return read_all(socket, &byte, 1);
}

/// An order for nothing is the wish to be told that the client's namespace is there.
Result<double> transfer(const Transfer& order)
{
    if (order.count == 0) {
        if (::unshare(CLONE_NEWNET))
            return sys_error("make a network namespace");
        return 0;
    }
    const auto to = sockaddr_of(order.to);
    const UniqueFd socket{::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket || ::connect(socket.get(), to.get(), to.length))
        return sys_error("connect to " + order.to.text());
    at_once(socket.get());
    const Opening opening{order.pattern, order.count * mebibyte};
    if (!write_all(socket.get(), reinterpret_cast<const char*>(&opening), sizeof(opening)))
        return sys_error("send");
    const double begin = wall_ns();
    const bool done = order.pattern == Pattern::stream ? stream(socket.get(), order.count * mebibyte)
                                                       : exchange(socket.get(), order.count);
    if (!done)
        return sys_error("exchange bytes with " + order.to.text());
    return wall_ns() - begin;
}

/// `pid`: in whose network namespace; 0: in this one.
Result<> run_ip(pid_t pid, const std::string& lines)
{
    const auto inside = pid ? fmt::format("nsenter --net=/proc/{}/ns/net ", pid) : std::string{};
    FILE* ip = ::popen(("PATH=$PATH:/usr/sbin:/sbin " + inside + "ip -batch - 2>&1 >/dev/null").c_str(), "w");
    if (!ip)
        return sys_error("start ip");
    const bool written = std::fwrite(lines.data(), 1, lines.size(), ip) == lines.size();
    if (::pclose(ip) != 0 || !written)
        return error("ip is not installed, or it refused:\n" + lines);
    return {};
}

Result<> forward_packets()
{
    for (const auto* knob : {"ipv4/ip_forward", "ipv6/conf/all/forwarding"}) {
        std::ofstream file{std::string{"/proc/sys/net/"} + knob};
        if (!(file << 1 << std::flush))
            return sys_error(std::string{"set "} + knob);
    }
    return {};
}

/// 10.N.S.H, fd00:N:S::H. Side 1 is the client's, 2 the server's; host 1 is the router, 2 the host itself.
std::string address(Family family, unsigned number, unsigned side, unsigned host)
{
    return fmt::format(fmt::runtime(family == Family::v4 ? "10.{}.{}.{}" : "fd00:{}:{}::{}"), number + 1,
                       side, host);
}

Result<> connect_host(pid_t pid, const std::string& device, unsigned number, unsigned side)
{
    auto lines =
        fmt::format("link add {} type veth peer name eth0 netns {}\nlink set {} up\n", device, pid, device);
    std::string its = "link set lo up\nlink set eth0 up\n";
    for (auto family : {Family::v4, Family::v6}) {
        const auto* prefix = family == Family::v4 ? "24" : "64 nodad";
        const auto router = address(family, number, side, 1);
        lines += fmt::format("addr add {}/{} dev {}\n", router, prefix, device);
        its += fmt::format("addr add {}/{} dev eth0\nroute add default via {}\n",
                           address(family, number, side, 2), prefix, router);
    }
    if (auto made = run_ip(0, lines); !made)
        return made;
    return run_ip(pid, its);
}

} // namespace

Result<Wire> Wire::make(unsigned number)
{
    auto server = Child::start(answer_all);
    auto client = Worker<Transfer, double>::start(transfer);
    if (!server || !client)
        return std::unexpected{server ? client.error() : server.error()};
    Answer<char> listening;
    if (::recv(server->channel(), &listening, sizeof(listening), 0) != sizeof(listening))
        return error("a process of the bench has ended");
    if (auto ready = listening.result(); !ready)
        return std::unexpected{ready.error()};
    if (auto ready = client->perform({}); !ready)
        return std::unexpected{ready.error()};
    Wire wire{number, std::move(*server), std::move(*client)};
    const auto [near_client, near_server] = wire.devices();
    if (auto made = connect_host(wire.client_.pid(), near_client, number, 1); !made)
        return std::unexpected{made.error()};
    if (auto made = connect_host(wire.server_.pid(), near_server, number, 2); !made)
        return std::unexpected{made.error()};
    if (auto on = forward_packets(); !on)
        return std::unexpected{on.error()};
    return wire;
}

SocketAddress Wire::server(Family family) const
{
    return {*Address::parse(address(family, number_, 2, 2)), port};
}

std::array<std::string, 2> Wire::devices() const
{
    return {fmt::format("client{}", number_), fmt::format("server{}", number_)};
}

} // namespace naru::bench
