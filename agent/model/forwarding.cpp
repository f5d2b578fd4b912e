#include "forwarding.hpp"

#include <algorithm>

#include "select.hpp"

namespace naru {

std::optional<Forwarding> forwarding_named(std::string_view name)
{
    if (name == "snat")
        return Forwarding::snat;
    if (name == "dsr")
        return Forwarding::dsr;
    return std::nullopt;
}

std::string_view name_of(Forwarding forwarding)
{
    switch (forwarding) {
    case Forwarding::dsr:
        return "dsr";
    case Forwarding::shared_address:
        return "snat (backends share an address)";
    case Forwarding::snat:
        break;
    }
    return "snat";
}

Forwarding possible(Forwarding wanted, std::span<const Backend> backends)
{
    auto address = [](const Backend& backend) { return backend.at.address; };
    const bool shared = std::ranges::adjacent_find(backends, {}, address) != backends.end();
    return wanted == Forwarding::dsr && shared ? Forwarding::shared_address : wanted;
}

} // namespace naru
