// Verified programs, held open.
#pragma once

#include <map>
#include <string>

#include "fd.hpp"

namespace naru {

using Programs = std::map<std::string, UniqueFd, std::less<>>; ///< by name: "tc_ingress", "connect4", ...

} // namespace naru
