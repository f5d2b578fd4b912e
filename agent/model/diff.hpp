// What must be written, in the order that never leaves a reference dangling: services, then frontends; removals
// the other way round (architecture.md, write order). Pure.
#pragma once

#include <variant>
#include <vector>

#include "tables.hpp"

namespace naru {

struct PutService {
    ServiceId id;
    ServiceRow row;
};
struct EraseService {
    ServiceId id;
};
struct PutFrontend {
    FrontendKey key;
    FrontendRow row;
};
struct EraseFrontend {
    FrontendKey key;
};
using Change = std::variant<PutService, PutFrontend, EraseFrontend, EraseService>;

/// From `installed` to `desired`: puts of services, puts of frontends, erases of frontends, erases of services.
std::vector<Change> diff(const Tables& installed, const Tables& desired);

} // namespace naru
