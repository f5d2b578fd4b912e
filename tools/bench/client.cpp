#include "client.hpp"

#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "machine.hpp"
#include "stats.hpp"

namespace naru::bench {

namespace {

constexpr std::size_t v4_listener = 0, v6_listener = 1;
constexpr std::size_t longest_complaint = 200;

/// What a client answers: figures, or why there are none.
struct Answer {
    Timing timing;
    int error = 0;
    std::array<char, longest_complaint> what{};
};

struct Sockaddr {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Sockaddr sockaddr_of(const SocketAddress& at)
{
    Sockaddr result;
    if (at.address.family() == Family::v4) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = at.port.raw();
        std::memcpy(&in.sin_addr, at.address.bytes.data() + 12, 4);
        std::memcpy(&result.storage, &in, result.length = sizeof(in));
    } else {
        sockaddr_in6 in6{};
        in6.sin6_family = AF_INET6;
        in6.sin6_port = at.port.raw();
        std::memcpy(&in6.sin6_addr, at.address.bytes.data(), 16);
        std::memcpy(&result.storage, &in6, result.length = sizeof(in6));
    }
    return result;
}

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

Answer answer(const Result<Timing>& result)
{
    Answer out;
    if (result) {
        out.timing = *result;
    } else {
        out.error = result.error().code.value();
        result.error().what.copy(out.what.data(), out.what.size() - 1);
    }
    return out;
}

/// A wish to be told "ready" is an order for nothing.
[[noreturn]] void serve(int channel, const std::vector<UniqueFd>& shared,
                        const std::function<Result<std::vector<UniqueFd>>()>& enter)
{
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    std::vector<UniqueFd> own;
    Result<Timing> ready = Timing{};
    for (Order order; ::recv(channel, &order, sizeof(order), 0) == sizeof(order);) {
        if (order.count == 0 && enter) {
            auto entered = enter();
            if (entered)
                own = std::move(*entered);
            else
                ready = std::unexpected{entered.error()};
        }
        const auto& listeners = enter ? own : shared;
        auto out = answer(order.count == 0                  ? ready
                          : order.protocol == Protocol::tcp ? tcp(order, listeners)
                                                            : udp(order));
        if (::send(channel, &out, sizeof(out), 0) != sizeof(out))
            break;
    }
    ::_exit(0);
}

} // namespace

Result<Client> Client::start(const std::filesystem::path& cgroup, const std::vector<UniqueFd>& listeners,
                             const std::function<Result<std::vector<UniqueFd>>()>& enter)
{
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()))
        return sys_error("make a socket pair");
    UniqueFd mine{pair[0]}, its{pair[1]};
    pid_t pid = ::fork();
    if (pid < 0)
        return sys_error("fork");
    if (pid == 0) {
        mine = {};
        serve(its.get(), listeners, enter);
    }
    Client client{pid, std::move(mine)};
    std::ofstream procs{cgroup / "cgroup.procs"};
    if (!(procs << pid << std::flush))
        return sys_error("join " + cgroup.string());
    if (auto ready = client.perform({}); !ready)
        return std::unexpected{ready.error()};
    return client;
}

Client::Client(Client&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, channel_{std::move(other.channel_)}
{
}

Client::~Client()
{
    if (pid_ <= 0)
        return;
    channel_ = {};
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

Result<Timing> Client::perform(const Order& order)
{
    Answer answer;
    if (::send(channel_.get(), &order, sizeof(order), MSG_NOSIGNAL) != sizeof(order) ||
        ::recv(channel_.get(), &answer, sizeof(answer), 0) != sizeof(answer))
        return error("a client process of the bench has ended");
    if (answer.what.front())
        return answer.error ? sys_error(answer.what.data(), answer.error)
                            : Result<Timing>{error(answer.what.data())};
    return answer.timing;
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
