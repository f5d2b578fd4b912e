// Names of the algorithms that place new flows, as in the annotation naru.io/algorithm; sh and dh after
// ipvsadm(8).
#pragma once

#include <optional>
#include <string_view>

#include "lb/abi.h"

namespace naru {

std::optional<lb_algorithm> algorithm_named(std::string_view name); ///< "maglev"; absent: no such one
std::string_view name_of(lb_algorithm algorithm);                   ///< "default" where none was chosen

} // namespace naru
