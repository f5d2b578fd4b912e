// Which devices get the XDP program.
#pragma once

#include "devices.hpp"
#include "options.hpp"

namespace naru {

/// Uplinks with Ethernet headers. `automatic`: those without a kind, which stands for real and virtual NICs,
/// and without VLANs, whose tags many NICs take off before XDP sees the frame. A veth needs a peer that is
/// prepared for frames sent back (an XDP program or GRO there), which nobody can see from this end: it gets
/// the program only when it is asked for. In the drivers of a bond's ports the program would see frames as
/// the ports' own, so a bond can have it behind the drivers only.
bool wants_xdp(XdpMode mode, const Device& device);

} // namespace naru
