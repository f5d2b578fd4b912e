#include "udp_backends.hpp"

namespace naru {

UdpBackends::UdpBackends(const Tables& installed)
{
    for (const auto& [id, row] : installed.services)
        if (id.protocol == Protocol::udp)
            replace({}, row.backends);
}

void UdpBackends::replace(std::span<const Backend> before, std::span<const Backend> after)
{
    for (const auto& backend : after)
        if (backend.serving) {
            ++sets_[backend.at];
            gone_.erase(backend.at);
        }
    for (const auto& backend : before) {
        if (!backend.serving)
            continue;
        auto known = sets_.find(backend.at);
        if (known == sets_.end() || --known->second != 0)
            continue;
        sets_.erase(known);
        gone_.insert(backend.at);
    }
}

std::vector<SocketAddress> UdpBackends::take_gone()
{
    std::vector<SocketAddress> taken{gone_.begin(), gone_.end()};
    gone_.clear();
    return taken;
}

} // namespace naru
