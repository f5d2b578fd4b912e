// What must be written, in the order that never leaves a reference dangling: services, then frontends;
// removals the other way round. Pure.
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

/// Collects the changes of single rows and puts them in order.
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
    std::vector<Change> unranged_, put_services_, put_frontends_, put_wildcards_, erase_frontends_,
        erase_services_;
};

/// From `installed` to `desired`, in the order of Changes.
std::vector<Change> diff(const Tables& installed, const Tables& desired);

} // namespace naru
