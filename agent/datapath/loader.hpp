// Maps and programs of the embedded objects in the kernel: the maps at once, the programs when the verifier
// is through with them.
#pragma once

#include "lb/abi.h"
#include "model/result.hpp"
#include "options.hpp"
#include "pins.hpp"
#include "programs.hpp"

namespace naru {

/// Makes and pins the maps that have no pin yet, and gives lb_node its first value. A pinned map of another
/// shape is refused.
Result<> make_maps(const Pins& pins, const DatapathOptions& options, const lb_config& config);

/// Has the kernel verify the programs, several at a time, each on the maps pinned in `maps`. Pins and
/// attaches nothing.
Result<Programs> load_programs(const std::filesystem::path& maps, SocketLb socket_lb, XdpMode xdp,
                               const lb_config& config);

/// Pins programs in place of earlier ones.
Result<> pin_programs(const Pins& pins, const Programs& programs);

} // namespace naru
