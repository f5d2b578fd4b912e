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
    /// Replaces all claims of `owner` and reports which rows change hands, appear, change or vanish, the wildcard
    /// rows of their addresses included. Losing is told once in `notices` when it begins.
    std::vector<FrontendChange> replace(const ObjectKey& owner, std::map<FrontendKey, Claim> claims,
                                        const std::set<Address>& node_addresses, std::vector<Notice>& notices);

    /// Claims to `key`, the winner first; empty when nobody wants it.
    std::vector<const Claim*> claimants(const FrontendKey& key) const;

    std::size_t conflicts() const; ///< keys wanted by more than one owner

private:
    std::map<FrontendKey, std::vector<Claim>> by_key_; ///< each sorted, winner first
    std::map<ObjectKey, std::set<FrontendKey>> by_owner_;
    std::map<Address, std::set<FrontendKey>> by_address_; ///< exact rows that keep a wildcard row alive
};

} // namespace naru
