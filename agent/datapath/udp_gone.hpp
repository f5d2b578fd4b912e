// Sockets that stay connected to a UDP backend after it has gone: those of this network namespace are ended,
// those of pods are answered by the programs, which find the address in lb_udp_gone. The only writer of that
// map.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "kernel.hpp"
#include "maps.hpp"
#include "model/udp_backends.hpp"

namespace naru {

class UdpGone {
public:
    /// Goes on where an earlier agent ended: what it had written, and sockets whose backend went without a
    /// word. `findings`: what this kernel lacks.
    static Result<UdpGone> open(Maps maps, const Tables& installed, std::vector<std::string>& findings);

    /// Kernel::apply(), and remembers which UDP backends it took away. One that comes back is welcome before
    /// anybody can be sent to it.
    Progress apply(Kernel& kernel, std::span<const Change> changes);

    /// Tells the sockets of all that have gone by now. After an Error the rest is tried with the next call.
    Result<> tell();

    std::size_t backends() const { return since_.size(); } ///< that pods are told about
    std::uint64_t sockets_ended() const { return ended_; } ///< of this namespace, since start

private:
    UdpGone(Maps maps, UdpBackends backends, std::size_t capacity)
        : maps_{std::move(maps)}, backends_{std::move(backends)}, capacity_{capacity}
    {
    }

    Result<> read_back();
    Result<> find_left_behind();
    Result<> enter(const SocketAddress& at, std::uint64_t now);
    Result<> welcome(const SocketAddress& at);
    Result<> end_sockets(const std::set<SocketAddress>& gone);

    Maps maps_;
    UdpBackends backends_;
    std::size_t capacity_;
    std::map<SocketAddress, std::uint64_t> since_;             ///< what lb_udp_gone holds
    std::set<std::pair<std::uint64_t, SocketAddress>> oldest_; ///< the same by age
    std::set<SocketAddress> untold_;
    std::uint64_t ended_ = 0;
    bool can_end_ = true;
};

} // namespace naru
