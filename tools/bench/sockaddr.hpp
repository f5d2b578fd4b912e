// Addresses as the socket calls want them.
#pragma once

#include <sys/socket.h>

#include "model/address.hpp"

namespace naru::bench {

struct Sockaddr {
    sockaddr_storage storage{};
    socklen_t length = 0;

    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Sockaddr sockaddr_of(const SocketAddress& at);

} // namespace naru::bench
