// Which rows the user wants to see.
#pragma once

#include <initializer_list>

#include "command_line.hpp"
#include "snapshot.hpp"

namespace naru::ctl {

/// By namespace. A row without a name belongs to none.
bool admits(const Filter& filter, const ServiceName* name);

/// By address, port and protocol: it is enough that one of `ends` has the address, and one the port.
bool admits(const Filter& filter, std::uint8_t proto, std::initializer_list<SocketAddress> ends);

} // namespace naru::ctl
