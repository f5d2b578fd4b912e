// Who owns a frontend when several Services want it (semantics.md 3.3): a pure function of all claims, kept
// up to date Service by Service, so that the cost of a change does not grow with the number of Services.
#pragma once

#include <map>
#include <set>
#include <vector>

#include "desired.hpp"

namespace naru {

/// A change of what the tables should hold; `row` absent: remove.
struct FrontendChange {
    FrontendKey key;
    std::optional<FrontendRow> row;
};

class Claims {
public:
    Claims() = default;
    Claims(Claims&&) = default; // a copy would point into the original
    Claims& operator=(Claims&&) = default;

    /// Replaces all claims of `owner` and reports which rows change hands, appear, change or vanish, the
    /// wildcard rows of their addresses included. Losing is told once in `notices`, when it begins.
    std::vector<FrontendChange> replace(const ObjectKey& owner, std::map<FrontendKey, Claim> next,
                                        std::vector<Notice>& notices);

    /// Whose row is in the tables; null when nobody's.
    const Claim* winner(const FrontendKey& key) const;

    /// All claims to `key` in the order of 3.3; empty when nobody wants it.
    std::vector<const Claim*> claimants(const FrontendKey& key) const;

    std::size_t contenders(const FrontendKey& key) const; ///< how many

    /// What `owner` claims, won or not.
    const std::map<FrontendKey, Claim>& claims_of(const ObjectKey& owner) const;

    std::size_t conflicts() const { return conflicts_; } ///< keys wanted by more than one owner

private:
    struct Precedes {
        bool operator()(const Claim* a, const Claim* b) const;
    };
    using Contest = std::set<const Claim*, Precedes>; ///< never empty

    /// How an address is used, over all its ports.
    struct Use {
        std::size_t cluster_ip =
            0; ///< claims as ClusterIP: they shut out everybody who writes the address by hand
        std::size_t wildcard = 0; ///< claims that make the whole address ours
        std::size_t claims = 0;
    };

    /// A key whose row may change, with what held before.
    struct Before {
        const Claim* winner = nullptr;
        bool claimed = false; ///< by the owner whose claims are replaced
    };
    using Affected = std::map<FrontendKey, Before>;

    Affected affected(const std::map<FrontendKey, Claim>& held,
                      const std::map<FrontendKey, Claim>& next) const;
    void link(const FrontendKey& key, const Claim& claim);
    void unlink(const FrontendKey& key, const Claim& claim);
    bool has_wildcard(const Address& address) const;

    std::map<ObjectKey, std::map<FrontendKey, Claim>> by_owner_;
    std::map<FrontendKey, Contest> by_key_; ///< points into by_owner_
    std::map<Address, Use> uses_;
    std::size_t conflicts_ = 0;
};

} // namespace naru
