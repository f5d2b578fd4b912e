#include "filter.hpp"

#include <algorithm>

namespace naru::ctl {

bool admits(const Filter& filter, const ServiceName* name)
{
    return !filter.ns || (name && name->ns == *filter.ns);
}

bool admits(const Filter& filter, std::uint8_t proto, std::initializer_list<SocketAddress> ends)
{
    if (filter.protocol && static_cast<std::uint8_t>(*filter.protocol) != proto)
        return false;
    if (filter.ip && std::ranges::find(ends, *filter.ip, &SocketAddress::address) == ends.end())
        return false;
    return !filter.port || std::ranges::find(ends, *filter.port, &SocketAddress::port) != ends.end();
}

} // namespace naru::ctl
