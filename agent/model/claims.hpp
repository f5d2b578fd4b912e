// Who owns a frontend when several Services want it (semantics.md 3.3): a pure function of all claims, kept
// up to date Service by Service, so that the cost of a change does not grow with the number of Services.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>
#include <vector>

#include "address_filter.hpp"
#include "desired.hpp"

namespace naru {

/// A change of what the tables should hold.
struct FrontendChange {
    FrontendKey key;
    const FrontendRow* row; ///< null: remove; valid until the claims change again
};

/// Whether a frontend's address carries nothing but frontends, so that its other ports are refused. An
/// address of this node also carries traffic that is none of ours; and who may write a Service may write
/// anybody's address into externalIPs, another node's or a pod's.
inline bool takes_whole_address(const FrontendRow& row)
{
    return row.kind != LB_KIND_NODE_PORT && row.kind != LB_KIND_EXTERNAL_IP && !row.node_address;
}

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
    std::vector<FrontendChange> replace(const ObjectKey& owner, FrontendClaims next,
                                        std::vector<Notice>& notices);

    /// Addresses of the API server, which nobody may take by writing them down; where they are the node's
    /// own, only the ports given. Answers as replace() does.
    std::vector<FrontendChange> reserve(std::set<SocketAddress> addresses, std::vector<Notice>& notices);

    /// Whether a packet to this endpoint would come back to be balanced again: its address is a ClusterIP, or
    /// one of its ports is served as a load balancer's or external address. A pod in the network of a node
    /// whose address a balancer publishes (it names the node) is none; nor does an external address of
    /// another namespace count, or a tenant could take away somebody else's endpoint.
    bool is_own(const Endpoint& endpoint, const EndpointSlice& slice) const;

    /// What the tables should hold, wildcard rows included; null: no row.
    const FrontendRow* row(const FrontendKey& key) const;
    /// The same for all keys.
    std::map<FrontendKey, FrontendRow> rows() const;
    std::size_t row_count() const { return rows_; }

    /// Whose row is in the tables; null when nobody's.
    const Claim* winner(const FrontendKey& key) const;

    /// All claims to `key` in the order of 3.3; empty when nobody wants it.
    std::vector<const Claim*> claimants(const FrontendKey& key) const;

    std::size_t contenders(const FrontendKey& key) const; ///< how many

    /// What `owner` claims, won or not.
    const FrontendClaims& claims_of(const ObjectKey& owner) const;

    std::size_t conflicts() const { return contested_.size(); } ///< keys wanted by more than one owner

    /// All claims that wait, by frontend and rank. They may differ from an earlier answer only when
    /// contest_changes() does.
    std::vector<Shadow> shadows() const;
    std::uint64_t contest_changes() const { return contest_changes_; }

private:
    struct Precedes {
        bool operator()(const Claim* a, const Claim* b) const;
    };
    using Contest = std::vector<const Claim*>; ///< in the order of Precedes, never empty

    /// An address that somebody claims.
    struct Use {
        /// Claims as ClusterIP: they shut out everybody who writes the address by hand.
        std::uint32_t cluster_ip = 0;
        std::uint32_t wildcard = 0; ///< claims that make the whole address ours
        std::map<std::pair<Port, Protocol>, Contest> ports;
    };

    /// A key whose row may change, with what held before.
    struct Affected {
        FrontendKey key;
        const Claim* winner = nullptr;
        bool claimed = false; ///< by the owner whose claims are replaced
    };
    /// What may become different.
    struct Affair {
        std::vector<Affected> keys;                      ///< sorted
        std::vector<std::pair<Address, bool>> addresses; ///< of these keys, with whether there is a wildcard
    };

    /// `claimed`: what to say of a key.
    template <class Claimed>
    Affair affair(std::vector<FrontendKey> keys, Claimed claimed) const;
    std::vector<FrontendKey> differing(const FrontendClaims& held, const FrontendClaims& next) const;
    void link(const FrontendKey& key, const Claim& claim);
    void unlink(const FrontendKey& key, const Claim& claim);
    void add_keys_of(const Address& address, std::vector<FrontendKey>& to) const;
    std::vector<FrontendChange> report(const Affair& affair, const ObjectKey& claimant,
                                       std::vector<Notice>& notices);
    const Contest* contest(const FrontendKey& key) const; ///< null when nobody wants it
    bool has_wildcard(const Address& address) const;
    bool is_reserved(const Address& address) const;
    const char* shut_out(const FrontendKey& key, const Claim& claim) const;

    std::unordered_map<ObjectKey, FrontendClaims, ObjectKey::Hash> by_owner_;
    std::unordered_map<Address, Use, AddressHash> uses_; ///< points into by_owner_
    AddressFilter used_;                                 ///< the keys of uses_
    std::set<SocketAddress> reserved_;
    std::size_t rows_ = 0;
    std::set<FrontendKey> contested_; ///< the keys with more than one claim
    std::uint64_t contest_changes_ = 0;
};

} // namespace naru
