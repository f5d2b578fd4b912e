#include "client.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cstring>
#include <fstream>

#include "machine.hpp"
#include "sockaddr.hpp"
#include "stats.hpp"

namespace naru::bench {

namespace {

constexpr std::size_t v4_listener = 0, v6_listener = 1;

std::uint32_t since(double begin) { return static_cast<std::uint32_t>(wall_ns() - begin); }

/// Closed by a reset: a port in TIME_WAIT would be in the way of a later round.
Result<std::pair<std::uint32_t, std::uint32_t>> connect_once(const Sockaddr& to, int listener)
{
    double begin = wall_ns();
    UniqueFd socket{::socket(to.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    if (!socket)
        return sys_error("make a socket");
    double before = wall_ns();
    if (::connect(socket.get(), to.get(), to.length))
        return sys_error("connect");
    auto connected = since(before);
    UniqueFd accepted{::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
    if (!accepted)
        return sys_error("accept");
    linger reset{.l_onoff = 1, .l_linger = 0};
    if (::setsockopt(socket.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)))
        return sys_error("set SO_LINGER");
    socket = {};
    accepted = {};
    return std::pair{connected, since(begin)};
}

Result<Timing> tcp(const Order& order, const std::vector<UniqueFd>& listeners)
{
    std::vector<std::uint32_t> connects, cycles;
    for (std::uint32_t i = 0; i < order.count; ++i) {
        const auto& at = order.to[i % order.targets];
        auto took = connect_once(
            sockaddr_of(at), listeners[at.address.family() == Family::v4 ? v4_listener : v6_listener].get());
        if (!took)
            return std::unexpected{took.error()};
        connects.push_back(took->first);
        cycles.push_back(took->second);
    }
    return Timing{percentile(connects, 0.5), percentile(connects, 0.99), percentile(cycles, 0.5)};
}

/// One socket that changes its peer again and again: nothing goes over any wire.
Result<Timing> udp(const Order& order)
{
    std::vector<Sockaddr> to;
    for (std::size_t i = 0; i < order.targets; ++i)
        to.push_back(sockaddr_of(order.to[i]));
    UniqueFd socket{::socket(to.front().storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!socket)
        return sys_error("make a socket");
    std::vector<std::uint32_t> connects;
    for (std::uint32_t i = 0; i < order.count; ++i) {
        const auto& target = to[i % to.size()];
        double before = wall_ns();
        if (::connect(socket.get(), target.get(), target.length))
            return sys_error("connect");
        connects.push_back(since(before));
    }
    return Timing{percentile(connects, 0.5), percentile(connects, 0.99), 0};
}

/// Whose listeners an order is for: those shared with others, or those that `enter` opens in the process's
/// own place. A wish to be told "ready" is an order for nothing.
class Performer {
public:
    Performer(const std::vector<UniqueFd>& shared,
              const std::function<Result<std::vector<UniqueFd>>()>& enter)
        : shared_{shared}, enter_{enter}
    {
    }

    Result<Timing> operator()(const Order& order)
    {
        if (order.count == 0)
            return get_ready();
        return order.protocol == Protocol::tcp ? tcp(order, enter_ ? own_ : shared_) : udp(order);
    }

private:
    Result<Timing> get_ready()
    {
        if (!enter_)
            return Timing{};
        auto entered = enter_();
        if (!entered)
            return std::unexpected{entered.error()};
        own_ = std::move(*entered);
        return Timing{};
    }

    const std::vector<UniqueFd>& shared_;
    const std::function<Result<std::vector<UniqueFd>>()>& enter_;
    std::vector<UniqueFd> own_;
};

} // namespace

Result<Client> Client::start(const std::filesystem::path& cgroup, const std::vector<UniqueFd>& listeners,
                             const std::function<Result<std::vector<UniqueFd>>()>& enter)
{
    Performer performer{listeners, enter};
    auto worker = Worker<Order, Timing>::start(std::ref(performer));
    if (!worker)
        return std::unexpected{worker.error()};
    std::ofstream procs{cgroup / "cgroup.procs"};
    if (!(procs << worker->pid() << std::flush))
        return sys_error("join " + cgroup.string());
    if (auto ready = worker->perform({}); !ready)
        return std::unexpected{ready.error()};
    return Client{std::move(*worker)};
}

Result<std::vector<UniqueFd>> listen_everywhere(Port port)
{
    std::vector<UniqueFd> listeners;
    for (int family : {AF_INET, AF_INET6}) {
        UniqueFd fd{::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        int on = 1;
        if (!fd || (family == AF_INET6 && ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))))
            return sys_error("make a socket");
        auto any = sockaddr_of({family == AF_INET ? *Address::parse("0.0.0.0") : Address{}, port});
        if (::bind(fd.get(), any.get(), any.length) || ::listen(fd.get(), 1024))
            return sys_error("listen");
        listeners.push_back(std::move(fd));
    }
    return listeners;
}

Result<> enter_empty_namespace(const std::vector<Address>& addresses)
{
    struct InterfaceAddress { // in6_ifreq: its header does not get along with <netinet/in.h>
        in6_addr address;
        std::uint32_t prefix;
        int index;
    };
    if (::unshare(CLONE_NEWNET))
        return sys_error("make a network namespace");
    UniqueFd v4{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)},
        v6{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    ifreq loopback{};
    std::strcpy(loopback.ifr_name, "lo");
    if (!v4 || !v6 || ::ioctl(v4.get(), SIOCGIFFLAGS, &loopback))
        return sys_error("read the flags of lo");
    loopback.ifr_flags = static_cast<short>(loopback.ifr_flags | IFF_UP);
    if (::ioctl(v4.get(), SIOCSIFFLAGS, &loopback) || ::ioctl(v4.get(), SIOCGIFINDEX, &loopback))
        return sys_error("set lo up");
    for (const auto& address : addresses) {
        InterfaceAddress wanted{.address = {}, .prefix = 128, .index = loopback.ifr_ifindex};
        std::memcpy(&wanted.address, address.bytes.data(), 16);
        if (::ioctl(v6.get(), SIOCSIFADDR, &wanted))
            return sys_error("give lo the address " + address.text());
    }
    return {};
}

} // namespace naru::bench
