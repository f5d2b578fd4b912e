#include "xdp.hpp"

namespace naru {

bool wants_xdp(XdpMode mode, const Device& device)
{
    const auto& link = device.link;
    if (device.role != DeviceRole::uplink || !link.ethernet)
        return false;
    switch (mode) {
    case XdpMode::automatic:
        return link.kind.empty() && !link.carries_vlans;
    case XdpMode::native:
        return link.kind != "bond";
    case XdpMode::generic:
        return true;
    case XdpMode::off:
        break;
    }
    return false;
}

} // namespace naru
