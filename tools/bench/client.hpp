// Processes that connect and say how long it took. A socket belongs to the cgroup and the network namespace
// of its maker, so each place to connect from needs a process of its own.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <vector>

#include "model/address.hpp"
#include "model/result.hpp"
#include "worker.hpp"

namespace naru::bench {

/// What a client does: `count` times connect() to the addresses in turn.
struct Order {
    static constexpr std::size_t most_targets = 16;

    Protocol protocol = Protocol::tcp;
    std::uint8_t targets = 0;
    std::uint32_t count = 0;
    std::array<SocketAddress, most_targets> to{};
};

/// ns. `cycle`: a socket made, connected, accepted, reset and closed on both sides; TCP only.
struct Timing {
    double p50 = 0;
    double p99 = 0;
    double cycle = 0;
};

class Client {
public:
    /// Forks; the child joins `cgroup` and accepts from `listeners`, or from those that `enter` opens in it.
    static Result<Client> start(const std::filesystem::path& cgroup, const std::vector<UniqueFd>& listeners,
                                const std::function<Result<std::vector<UniqueFd>>()>& enter = {});

    Result<Timing> perform(const Order& order) { return worker_.perform(order); }

private:
    explicit Client(Worker<Order, Timing> worker) : worker_{std::move(worker)} {}

    Worker<Order, Timing> worker_;
};

/// TCP listeners of both families on `port`, IPv4 first. Nobody has to accept: handshakes are the kernel's
/// work.
Result<std::vector<UniqueFd>> listen_everywhere(Port port);

/// This process's network namespace is a fresh one, with its loopback up and `addresses` (IPv6) on it.
Result<> enter_empty_namespace(const std::vector<Address>& addresses);

} // namespace naru::bench
