// The embedded objects: constants set, maps taken from pins or made, programs loaded.
#pragma once

#include <map>
#include <string>

#include "fd.hpp"
#include "lb/abi.h"
#include "model/result.hpp"
#include "options.hpp"
#include "pins.hpp"

namespace naru {

using Programs = std::map<std::string, UniqueFd, std::less<>>; ///< by name: "tc_ingress", "connect4", ...

/// Loads what `options` call for, pins maps that had no pin, gives lb_node its first value, and pins the
/// programs in place of earlier ones. Attaches nothing. A pinned map of another shape is refused.
Result<Programs> load(const Pins& pins, const DatapathOptions& options, const lb_config& config);

} // namespace naru
