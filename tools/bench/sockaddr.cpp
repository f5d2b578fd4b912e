#include "sockaddr.hpp"

#include <netinet/in.h>

#include <cstring>

namespace naru::bench {

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

} // namespace naru::bench
