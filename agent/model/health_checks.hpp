// Who answers on which healthCheckNodePort. Like the ownership of frontends it is a pure function of all
// Services: of those that name one port the oldest has it, then the one with the smaller uid.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "desired.hpp"

namespace naru {

class HealthChecks {
public:
    /// What `service` wants is now `next`. One that does not come first is told so when that begins.
    /// `changed` gains each port that answers for another Service, or in other families, than before.
    void replace(const ObjectKey& service, std::optional<HealthCheck> next, std::vector<Notice>& notices,
                 std::set<Port>& changed);

    struct Owner {
        const ObjectKey& service;
        const HealthCheck& check;
    };
    /// Valid until the next replace().
    std::optional<Owner> at(Port port) const;
    std::set<Port> ports() const;

private:
    struct Rank {
        std::int64_t age = 0;
        std::string uid;
        ObjectKey service;

        friend auto operator<=>(const Rank&, const Rank&) = default;
    };
    /// What the outside sees of a port, its count aside.
    struct Face {
        ObjectKey service;
        std::set<Family> families;

        friend bool operator==(const Face&, const Face&) = default;
    };

    static Rank rank(const ObjectKey& service, const HealthCheck& check);
    std::optional<Face> face(Port port) const;
    void link(const ObjectKey& service, HealthCheck check);
    void unlink(std::map<ObjectKey, HealthCheck>::iterator held);

    std::map<ObjectKey, HealthCheck> checks_;
    std::map<Port, std::set<Rank>> contests_;
};

} // namespace naru
