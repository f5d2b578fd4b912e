// What a person hears of a step, in the log.
#pragma once

#include <string>

#include "sync.hpp"

namespace naru {

void log_report(const SyncReport& report);

/// There is no Node object of this name: the addresses of the uplinks stand in for it.
void tell_stand_in(const std::string& node_name, bool has_api_server);

} // namespace naru
