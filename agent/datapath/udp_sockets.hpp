// Connected UDP sockets of this network namespace: which there are, and how to end one. NETLINK_SOCK_DIAG.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>

#include "fd.hpp"
#include "model/address.hpp"
#include "model/result.hpp"

namespace naru {

/// Enough to find it again, and to notice when it is another one by then.
struct UdpSocket {
    SocketAddress local;
    SocketAddress peer; ///< the address on the wire; an IPv4 one also where the socket is of IPv6
    std::uint64_t cookie = 0;
    std::uint32_t device = 0; ///< that it is bound to; 0: none
    bool of_v6 = false;       ///< its address family is AF_INET6
};

class UdpSockets {
public:
    static Result<UdpSockets> open();

    /// Calls visit for every connected one of an address family.
    Result<> for_each(bool of_v6, const std::function<void(const UdpSocket&)>& visit) const;

    /// A call that waits on it, or its next receive, fails with ECONNABORTED, and it is no longer connected.
    /// A socket that is gone or was connected elsewhere meanwhile is no error. EOPNOTSUPP: the kernel was
    /// built without it.
    Result<> abort(const UdpSocket& socket) const;

    /// Tries it on a socket of its own. An Error names what the kernel lacks.
    Result<> check_abort() const;

private:
    explicit UdpSockets(UniqueFd fd) : fd_{std::move(fd)} {}

    UniqueFd fd_;
};

} // namespace naru
