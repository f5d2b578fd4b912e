// A Service whose algorithm takes turns or compares loads, and connections to it that begin and end.
#pragma once

#include <algorithm>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "bpf/cast.hpp"

namespace naru::test {

/// Backends on the other node with these weights, by address: A, B, C, ... (0, 1, 2, ...).
class Scheduled {
public:
    /// One connection of an own client port.
    struct Call {
        Packet sent, seen;
        std::size_t backend = 0;
    };

    Scheduled(const Cast& cast, lb_algorithm algorithm, const std::vector<std::uint16_t>& weights,
              std::uint32_t affinity_timeout_sec = 0)
        : on_{cast}, affinity_timeout_sec_{affinity_timeout_sec}
    {
        publish(algorithm, weights);
        for (const auto& at : {on_.vip, on_.other_vip})
            node.vip(at, on_.protocol, service_);
    }

    void publish(lb_algorithm algorithm, const std::vector<std::uint16_t>& weights)
    {
        backends_.clear();
        for (std::size_t i = 0; i < weights.size(); ++i) {
            auto backend = remote(on_.away);
            backend.at.address.bytes[15] = static_cast<std::uint8_t>(2 + i % 250);
            backend.at.port = {static_cast<std::uint16_t>(8080 + i / 250)};
            backend.weight = weights[i];
            backend.chosen = weights[i] != 0;
            backends_.push_back(backend);
        }
        std::ranges::sort(backends_, {}, &Backend::at);
        service_ = node.publish(
            {.backends = backends_, .affinity_timeout_sec = affinity_timeout_sec_, .algorithm = algorithm},
            service_);
    }

    Outcome knock(const Packet& packet) { return node.ingress(packet, network().uplink); }

    Call dial() { return dial(on_.vip); }
    Call dial(const SocketAddress& to) { return dial({on_.client.address, {next_port_++}}, to); }
    Call dial(const SocketAddress& from, const SocketAddress& to)
    {
        Call call;
        call.sent = on_.request(from, to);
        call.seen = knock(call.sent).packet();
        call.backend = index_of(call.seen.dst);
        return call;
    }

    /// The client and the backend say this, one after the other. UDP has nothing to say.
    void client_says(const Call& call, std::uint8_t flags)
    {
        (void)knock(on_.request(call.sent.src, call.sent.dst, flags));
    }
    void backend_says(const Call& call, std::uint8_t flags) { (void)knock(on_.answer(call.seen, flags)); }
    void establish(const Call& call)
    {
        backend_says(call, syn | ack);
        client_says(call, ack);
    }
    void close(const Call& call)
    {
        client_says(call, fin | ack);
        backend_says(call, fin | ack);
    }

    /// "ABC": who was given the next connections, which stay open.
    std::string dial_some(std::size_t count)
    {
        std::string out;
        for (std::size_t i = 0; i < count; ++i)
            out += letter(dial().backend);
        return out;
    }
    static char letter(std::size_t backend) { return static_cast<char>('A' + backend); }

    std::int64_t open(std::size_t backend) const
    {
        return node.open_connections(service_, position_of(backend));
    }

    Host node;

private:
    std::size_t index_of(const SocketAddress& at) const
    {
        return static_cast<std::size_t>(std::ranges::find(backends_, at, &Backend::at) - backends_.begin());
    }

    std::uint16_t position_of(std::size_t backend) const
    {
        const auto& rows = node.block(service_).rows;
        const auto raw = backends_.at(backend).at;
        for (std::size_t i = 0; i < rows.size(); ++i)
            if (SocketAddress{Address::from(rows[i].addr), Port::from(rows[i].port)} == raw)
                return static_cast<std::uint16_t>(i);
        throw std::logic_error{"no such backend"};
    }

    Cast on_;
    std::uint32_t affinity_timeout_sec_;
    std::vector<Backend> backends_;
    std::uint32_t service_ = 0;
    std::uint16_t next_port_ = 2000;
};

} // namespace naru::test
