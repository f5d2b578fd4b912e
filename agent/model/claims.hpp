// Who owns a frontend when several Services want it (semantics.md 3.3): a pure function of all claims, kept
// up to date Service by Service, so that the cost of a change does not grow with the number of Services.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "address_filter.hpp"
#include "desired.hpp"

namespace naru {

/// A change of what the tables should hold; `row` absent: remove.
struct FrontendChange {
    FrontendKey key;
    std::optional<FrontendRow> row;
};

/// A claim that waits for its frontend because somebody else's comes first.
struct Shadow {
    FrontendKey key;
    std::uint32_t rank = 0; ///< 1: the next owner
    ObjectKey owner;
    lb_frontend_kind kind{};

    friend bool operator==(const Shadow&, const Shadow&) = default;
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

    /// Addresses of the API server, which nobody may take by writing them down; where they are the node's
    /// own, only the ports given. Answers as replace() does.
    std::vector<FrontendChange> reserve(std::set<SocketAddress> addresses, std::vector<Notice>& notices);

    /// Whether a packet to this endpoint would come back to be balanced again: its address is a ClusterIP, or
    /// one of its ports is served as a load balancer's or external address. A pod in the network of a node
    /// whose address a balancer publishes (it names the node) is none; nor does an external address of
    /// another namespace count, or a tenant could take away somebody else's endpoint.
    bool is_own(const Endpoint& endpoint, const EndpointSlice& slice) const;

    /// Whose row is in the tables; null when nobody's.
    const Claim* winner(const FrontendKey& key) const;

    /// All claims to `key` in the order of 3.3; empty when nobody wants it.
    std::vector<const Claim*> claimants(const FrontendKey& key) const;

    std::size_t contenders(const FrontendKey& key) const; ///< how many

    /// What `owner` claims, won or not.
    const std::map<FrontendKey, Claim>& claims_of(const ObjectKey& owner) const;

    std::size_t conflicts() const { return contested_.size(); } ///< keys wanted by more than one owner

    /// All claims that wait, by frontend and rank. They may differ from an earlier answer only when
    /// contest_changes() does.
    std::vector<Shadow> shadows() const;
    std::uint64_t contest_changes() const { return contest_changes_; }

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
    void add_keys_of(const Address& address, Affected& to) const;
    std::vector<FrontendChange> report(const Affected& keys, const std::map<Address, bool>& had_wildcard,
                                       const ObjectKey& claimant, std::vector<Notice>& notices) const;
    std::map<Address, bool> wildcards(const Affected& keys) const;
    bool has_wildcard(const Address& address) const;
    bool is_reserved(const Address& address) const;
    const char* shut_out(const FrontendKey& key, const Claim& claim) const;

    std::map<ObjectKey, std::map<FrontendKey, Claim>> by_owner_;
    std::map<FrontendKey, Contest> by_key_; ///< points into by_owner_
    std::unordered_map<Address, Use, AddressHash> uses_;
    AddressFilter used_; ///< the keys of uses_
    std::set<SocketAddress> reserved_;
    std::set<FrontendKey> contested_; ///< the keys of by_key_ with more than one claim
    std::uint64_t contest_changes_ = 0;
};

} // namespace naru
