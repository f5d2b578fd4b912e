// A node of which this process is a host process: socket programs on a cgroup of its own, UDP servers behind
// addresses of the loopback device, tables written as the agent writes them.
#pragma once

#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "datapath/datapath.hpp"
#include "datapath/kernel.hpp"
#include "datapath/probe.hpp"
#include "small_maps.hpp"

namespace naru::test {

inline SocketAddress udp_at(const std::string& address, std::uint16_t port)
{
    return {Address::parse(address).value(), {port}};
}

/// A UDP socket, of IPv6 also for IPv4 addresses if told so.
class Udp {
public:
    explicit Udp(bool of_v6)
        : of_v6_{of_v6}, fd_{::socket(of_v6 ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)}
    {
        REQUIRE(fd_);
        timeval patience{.tv_sec = 2, .tv_usec = 0};
        REQUIRE(::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) == 0);
    }

    int fd() const { return fd_.get(); }
    void bind(const SocketAddress& at) { REQUIRE(call(::bind, at) == 0); }
    void connect(const SocketAddress& at) { REQUIRE(call(::connect, at) == 0); }
    bool try_to_connect(const SocketAddress& at) { return call(::connect, at) == 0; }

    /// 0, or the error.
    int send(const SocketAddress* to = nullptr)
    {
        if (!to)
            return ::send(fd_.get(), "?", 1, 0) == 1 ? 0 : errno;
        auto raw = raw_of(*to);
        auto* generic = reinterpret_cast<sockaddr*>(&raw);
        return ::sendto(fd_.get(), "?", 1, 0, generic, size()) == 1 ? 0 : errno;
    }

    /// Text and sender, or the name of the error.
    std::pair<std::string, std::optional<SocketAddress>> receive()
    {
        char buffer[64];
        sockaddr_storage raw{};
        socklen_t length = sizeof raw;
        auto got =
            ::recvfrom(fd_.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&raw), &length);
        if (got < 0)
            return {::strerrorname_np(errno), std::nullopt};
        return {{buffer, static_cast<std::size_t>(got)}, address_of(raw)};
    }

    std::string peer() const
    {
        sockaddr_storage raw{};
        socklen_t length = sizeof raw;
        if (::getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&raw), &length) != 0)
            return ::strerrorname_np(errno);
        return address_of(raw).text();
    }

    void answer(const std::string& text, const SocketAddress& to)
    {
        auto raw = raw_of(to);
        REQUIRE(::sendto(fd_.get(), text.data(), text.size(), 0, reinterpret_cast<sockaddr*>(&raw), size()) >
                0);
    }

private:
    template <class Call>
    int call(Call which, const SocketAddress& at)
    {
        auto raw = raw_of(at);
        return which(fd_.get(), reinterpret_cast<sockaddr*>(&raw), size());
    }

    socklen_t size() const { return of_v6_ ? sizeof(sockaddr_in6) : sizeof(sockaddr_in); }

    sockaddr_storage raw_of(const SocketAddress& at) const
    {
        sockaddr_storage raw{};
        if (of_v6_) {
            auto& six = reinterpret_cast<sockaddr_in6&>(raw);
            six.sin6_family = AF_INET6;
            six.sin6_port = at.port.raw();
            std::memcpy(&six.sin6_addr, at.address.bytes.data(), 16);
        } else {
            auto& four = reinterpret_cast<sockaddr_in&>(raw);
            four.sin_family = AF_INET;
            four.sin_port = at.port.raw();
            std::memcpy(&four.sin_addr, &at.address.bytes[12], 4);
        }
        return raw;
    }

    static SocketAddress address_of(const sockaddr_storage& raw)
    {
        lb_addr address{};
        if (raw.ss_family == AF_INET6) {
            const auto& six = reinterpret_cast<const sockaddr_in6&>(raw);
            std::memcpy(&address, &six.sin6_addr, 16);
            return {Address::from(address), Port::from(six.sin6_port)};
        }
        const auto& four = reinterpret_cast<const sockaddr_in&>(raw);
        address.bytes[10] = address.bytes[11] = 0xff;
        std::memcpy(&address.bytes[12], &four.sin_addr, 4);
        return {Address::from(address), Port::from(four.sin_port)};
    }

    bool of_v6_;
    UniqueFd fd_;
};

/// Loaded and attached once for all tests of a process, which lives in its cgroup from then on.
class SocketPrograms {
public:
    static SocketPrograms& get()
    {
        static SocketPrograms only;
        return only;
    }
    SocketPrograms(const SocketPrograms&) = delete;
    SocketPrograms& operator=(const SocketPrograms&) = delete;

    Datapath& datapath() { return *datapath_; }

private:
    SocketPrograms()
    {
        auto mount = find_cgroup({});
        REQUIRE(mount);
        auto name = "naru-socket-" + std::to_string(::getpid());
        home_ = *mount / own_cgroup().substr(1);
        cgroup_ = *mount / name;
        std::filesystem::create_directory(cgroup_);
        enter(cgroup_);
        options_.bpf_path = "/sys/fs/bpf/" + name;
        options_.cgroup_path = cgroup_;
        options_.arena_bytes = 1u << 20;
        auto opened = Datapath::open(options_);
        INFO((opened ? "" : opened.error().message()));
        REQUIRE(opened);
        datapath_.emplace(std::move(*opened));
        REQUIRE(datapath_->attach_sockets());
    }
    ~SocketPrograms()
    {
        datapath_.reset();
        enter(home_);
        (void)Datapath::cleanup(options_.bpf_path);
        std::error_code ignored;
        std::filesystem::remove(cgroup_, ignored);
    }

    static std::string own_cgroup()
    {
        std::ifstream lines{"/proc/self/cgroup"};
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with("0::"))
                return line.substr(3);
        FAIL("this process is in no cgroup of version 2");
        return {};
    }

    static void enter(const std::filesystem::path& cgroup)
    {
        std::ofstream procs{cgroup / "cgroup.procs"};
        procs << ::getpid() << std::flush;
        if (!procs)
            std::abort(); // from here on nothing would be translated, or somebody else's calls
    }

    std::filesystem::path home_, cgroup_;
    DatapathOptions options_;
    std::optional<Datapath> datapath_;
};

class SocketNode {
public:
    /// With empty tables.
    SocketNode()
    {
        REQUIRE(run("ip link set lo up") == 0); // addresses stay: IPv6 takes them away when it finds the time
        std::vector<std::string> findings;
        auto kernel = Kernel::open(maps(), LB_DEFAULT_SEED, findings);
        REQUIRE(kernel);
        kernel_.emplace(std::move(*kernel));
        auto left = kernel_->installed();
        for (const auto& [key, row] : left.frontends)
            REQUIRE(kernel_->apply(EraseFrontend{key}));
        for (const auto& [id, row] : left.services)
            REQUIRE(kernel_->apply(EraseService{id}));
        auto all = maps();
        clear<std::uint64_t>(all.sock);
        clear<lb_sock_udp_key>(all.sock_udp);
        clear<lb_udp_gone_key>(all.udp_gone);
    }

    Kernel& kernel() { return *kernel_; }
    Maps maps() { return std::move(SocketPrograms::get().datapath().maps().value()); }
    const lb_config& config() const { return SocketPrograms::get().datapath().config(); }

    /// A server with an address of its own; its answers are its name.
    SocketAddress serve(const std::string& name, const SocketAddress& at)
    {
        bool of_v6 = at.address.family() == Family::v6;
        auto command = "ip addr replace " + at.address.text() + (of_v6 ? "/128" : "/32") + " dev lo" +
                       (of_v6 ? " nodad" : "");
        REQUIRE(run(command) == 0);
        if (of_v6)
            wait_for_route(at.address);
        Udp socket{of_v6};
        socket.bind(at);
        servers_.emplace_back(name, std::move(socket));
        return at;
    }

    /// One datagram and what came of it: "b1 as 10.96.0.1:53", or the name of the error.
    std::string ask(Udp& client, const SocketAddress* to = nullptr)
    {
        if (int failed = client.send(to))
            return ::strerrorname_np(failed);
        std::vector<pollfd> ready;
        for (const auto& [name, socket] : servers_)
            ready.push_back({.fd = socket.fd(), .events = POLLIN, .revents = 0});
        if (::poll(ready.data(), ready.size(), 2000) != 1)
            return "nobody got it";
        for (std::size_t i = 0; i < ready.size(); ++i)
            if (ready[i].revents & POLLIN) {
                auto [text, from] = servers_[i].second.receive();
                servers_[i].second.answer(servers_[i].first, from.value());
            }
        auto [text, from] = client.receive();
        return from ? text + " as " + from->text() : text;
    }

private:
    static int run(const std::string& command) { return std::system(command.c_str()); }

    /// IPv6 makes the route to an own address when its workers find the time.
    static void wait_for_route(const Address& address)
    {
        auto there = "ip -6 route show table local to " + address.text() + " | grep -q local";
        for (int tries = 0; run(there) != 0; ++tries) {
            REQUIRE(tries < 500);
            ::usleep(10'000);
        }
    }

    template <class Key>
    static void clear(const UniqueFd& map)
    {
        for (const auto& key : keys<Key>(map))
            REQUIRE(bpf_map_delete_elem(map.get(), &key) == 0);
    }

    std::optional<Kernel> kernel_;
    std::vector<std::pair<std::string, Udp>> servers_;
};

/// Backend sets of one Service port.
inline ServiceId udp_service(const std::string& name, Family family, Scope scope = Scope::cluster)
{
    return {.key = {"shop", name},
            .uid = "uid-of-" + name,
            .port_name = "dns",
            .protocol = Protocol::udp,
            .family = family,
            .scope = scope};
}

inline ServiceRow udp_row(const std::vector<SocketAddress>& backends)
{
    std::vector<Backend> list;
    for (const auto& at : backends)
        list.push_back({.at = at, .chosen = true, .serving = true});
    std::ranges::sort(list);
    ServiceRow row;
    row.backends = list;
    return row;
}

inline FrontendRow udp_frontend(const ServiceId& inside)
{
    FrontendRow row;
    row.inside = inside;
    row.outside = inside;
    return row;
}

/// What a client of one address family dials.
struct UdpCase {
    const char* what;
    bool socket_of_v6;
    Family family;

    SocketAddress vip(int number = 1, std::uint16_t port = 53) const
    {
        return udp_at((family == Family::v4 ? "10.96.0." : "fd96::") + std::to_string(number), port);
    }
    SocketAddress backend(int number, std::uint16_t port = 53) const
    {
        return udp_at((family == Family::v4 ? "10.0.0." : "fd00::") + std::to_string(number), port);
    }
    FrontendKey key(int number = 1, std::uint16_t port = 53) const
    {
        auto at = vip(number, port);
        return {at.address, at.port, Protocol::udp};
    }
};

inline std::vector<UdpCase> udp_cases()
{
    return {{"IPv4", false, Family::v4},
            {"IPv6", true, Family::v6},
            {"IPv4 on an IPv6 socket", true, Family::v4}};
}

} // namespace naru::test
