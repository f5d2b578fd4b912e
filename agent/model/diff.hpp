// What must be written, in the order that never leaves a reference dangling: services, then frontends;
// removals the other way round. Pure.
#pragma once

#include <utility>
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

/// Collects the changes of single rows and puts them in order. Keys and rows must stay where they are until
/// take().
class Changes {
public:
    /// What is installed and what is wanted; null: not there.
    void service(const ServiceId& id, const ServiceRow* installed, const ServiceRow* wanted);
    void frontend(const FrontendKey& key, const FrontendRow* installed, const FrontendRow* wanted);

    /// Puts of services, puts of frontends (an address's wildcard row last), erases of frontends, erases of
    /// services. Ahead of all: frontends that stop checking source ranges, because their service loses the
    /// ranges.
    std::vector<Change> take();

private:
    std::vector<std::pair<const ServiceId*, const ServiceRow*>> put_services_;
    std::vector<std::pair<const FrontendKey*, const FrontendRow*>> unranged_, put_frontends_, put_wildcards_;
    std::vector<const FrontendKey*> erase_frontends_;
    std::vector<const ServiceId*> erase_services_;
};

/// From `installed` to `desired`, in the order of Changes.
std::vector<Change> diff(const Tables& installed, const Tables& desired);

} // namespace naru
