// How packets from outside go on to backends of other nodes: with a source of this node, or encapsulated, so
// that the backend's node answers the client directly (direct server return).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace naru {

struct Backend;

enum class Forwarding : std::uint8_t {
    snat,
    dsr,
    shared_address, ///< snat although dsr was asked for: the outer header names an address, which two
                    ///< backends share
};

/// `--forwarding` and the annotation naru.io/forwarding: "snat" or "dsr"; absent: neither.
std::optional<Forwarding> forwarding_named(std::string_view name);
std::string_view name_of(Forwarding forwarding); ///< with the reason where it is not what was asked for

/// What these backends, sorted by address, allow of it.
Forwarding possible(Forwarding wanted, std::span<const Backend> backends);

} // namespace naru
