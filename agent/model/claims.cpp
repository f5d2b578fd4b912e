#include "claims.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <set>
#include <span>
#include <tuple>
#include <utility>

namespace naru {

namespace {

/// An unknown age is the youngest: an object that was never admitted must not beat one that was.
std::int64_t age_rank(const Claim& claim) { return claim.created_sec ? claim.created_sec : INT64_MAX; }

bool written_by_hand(const Claim& claim)
{
    return claim.row.kind == LB_KIND_LOAD_BALANCER || claim.row.kind == LB_KIND_EXTERNAL_IP;
}

/// Between owners. While one's claims are replaced, the old and the new claim stand side by side.
bool is_contested(std::span<const Claim* const> claims)
{
    return std::ranges::any_of(claims, [&](const Claim* claim) { return claim->owner != claims[0]->owner; });
}

const FrontendRow wildcard_row{.kind = static_cast<lb_frontend_kind>(0), .inside = {}, .outside = {}};

/// `refused`: why nobody has the key, when nobody has.
Notice lost(const Claim& loser, const FrontendKey& key, const Claim* winner, const char* refused)
{
    if (!winner)
        return {loser.owner, "FrontendRefused", key.text() + " is not served: " + refused};
    return {loser.owner, "FrontendConflict",
            key.text() + " is served for " + winner->owner.text() +
                ", which comes first; remove it from one of the two"};
}

} // namespace

bool Claims::Precedes::operator()(const Claim* a, const Claim* b) const
{
    auto rank = [](const Claim& c) {
        return std::tuple<int, std::int64_t, const Name&, const ObjectKey&>{c.row.kind, age_rank(c), c.uid,
                                                                            c.owner};
    };
    return rank(*a) < rank(*b);
}

const Claims::Contest* Claims::contest(const FrontendKey& key) const
{
    auto use = uses_.find(key.address);
    if (use == uses_.end() || !key.protocol)
        return nullptr;
    auto found = use->second.ports.find({key.port, *key.protocol});
    return found == use->second.ports.end() ? nullptr : &found->second;
}

const Claim* Claims::winner(const FrontendKey& key) const
{
    const auto* all = contest(key);
    return all && !shut_out(key, *all->front()) ? all->front() : nullptr;
}

const FrontendRow* Claims::row(const FrontendKey& key) const
{
    if (!key.protocol)
        return has_wildcard(key.address) ? &wildcard_row : nullptr;
    const auto* first = winner(key);
    return first ? &first->row : nullptr;
}

std::map<FrontendKey, FrontendRow> Claims::rows() const
{
    std::map<FrontendKey, FrontendRow> out;
    for (const auto& [address, _] : uses_) {
        std::vector<FrontendKey> keys{{address, {}, {}}};
        add_keys_of(address, keys);
        for (const auto& key : keys)
            if (const auto* there = row(key))
                out.emplace(key, *there);
    }
    return out;
}

/// Why an address that is written by hand is nobody's; null when it is not, or allocated.
const char* Claims::shut_out(const FrontendKey& key, const Claim& claim) const
{
    if (!written_by_hand(claim))
        return nullptr;
    if (uses_.at(key.address).cluster_ip > 0)
        return "the address is a ClusterIP";
    bool reserved =
        claim.row.node_address ? reserved_.contains({key.address, key.port}) : is_reserved(key.address);
    return reserved ? "the address is the API server's" : nullptr;
}

bool Claims::is_reserved(const Address& address) const
{
    auto first = reserved_.lower_bound({address, {}});
    return first != reserved_.end() && first->address == address;
}

bool Claims::is_own(const Endpoint& endpoint, const EndpointSlice& slice) const
{
    if (!used_.may_hold(endpoint.address))
        return false;
    auto use = uses_.find(endpoint.address);
    if (use == uses_.end())
        return false;
    if (use->second.cluster_ip > 0)
        return true;
    return !endpoint.node && std::ranges::any_of(slice.ports, [&](const EndpointPort& port) {
        const auto* holder = port.port ? winner({endpoint.address, *port.port, port.protocol}) : nullptr;
        return holder && written_by_hand(*holder) && !holder->row.node_address &&
               (holder->row.kind == LB_KIND_LOAD_BALANCER || holder->owner.ns == slice.key.ns);
    });
}

std::vector<const Claim*> Claims::claimants(const FrontendKey& key) const
{
    const auto* all = contest(key);
    return all ? *all : Contest{};
}

std::size_t Claims::contenders(const FrontendKey& key) const
{
    const auto* all = contest(key);
    return all ? all->size() : 0;
}

std::vector<Shadow> Claims::shadows() const
{
    std::vector<Shadow> all;
    for (const auto& key : contested_) {
        std::uint32_t rank = 0;
        for (const Claim* claim : *contest(key)) {
            if (rank > 0)
                all.push_back({key, rank, claim->owner, claim->row.kind});
            ++rank;
        }
    }
    return all;
}

const FrontendClaims& Claims::claims_of(const ObjectKey& owner) const
{
    static const FrontendClaims none;
    auto it = by_owner_.find(owner);
    return it == by_owner_.end() ? none : it->second;
}

bool Claims::has_wildcard(const Address& address) const
{
    auto use = uses_.find(address);
    return use != uses_.end() && use->second.wildcard > 0 &&
           (use->second.cluster_ip > 0 || !is_reserved(address));
}

void Claims::link(const FrontendKey& key, const Claim& claim)
{
    auto [at, added] = uses_.try_emplace(key.address);
    if (added)
        used_.add(key.address);
    auto& use = at->second;
    auto& contest = use.ports[{key.port, *key.protocol}];
    contest.insert(std::ranges::upper_bound(contest, &claim, Precedes{}), &claim);
    if (is_contested(contest)) {
        contested_.insert(key);
        ++contest_changes_;
    }
    use.cluster_ip += claim.row.kind == LB_KIND_CLUSTER_IP;
    use.wildcard += takes_whole_address(claim.row);
}

void Claims::unlink(const FrontendKey& key, const Claim& claim)
{
    auto at = uses_.find(key.address);
    auto& use = at->second;
    auto contest = use.ports.find({key.port, *key.protocol});
    const bool was_contested = is_contested(contest->second);
    std::erase(contest->second, &claim);
    if (was_contested) {
        ++contest_changes_;
        if (!is_contested(contest->second))
            contested_.erase(key);
    }
    use.cluster_ip -= claim.row.kind == LB_KIND_CLUSTER_IP;
    use.wildcard -= takes_whole_address(claim.row);
    if (contest->second.empty())
        use.ports.erase(contest);
    if (use.ports.empty()) {
        used_.remove(key.address);
        uses_.erase(at);
    }
}

void Claims::add_keys_of(const Address& address, std::vector<FrontendKey>& to) const
{
    if (auto use = uses_.find(address); use != uses_.end())
        for (const auto& [port, _] : use->second.ports)
            to.push_back({address, port.first, port.second});
}

/// The keys whose claim differs. A ClusterIP that comes or goes matters to every key of its address.
std::vector<FrontendKey> Claims::differing(const FrontendClaims& held, const FrontendClaims& next) const
{
    std::vector<FrontendKey> keys;
    std::set<Address> moved; // each once: a Service may have thousands of ports on it
    auto compare = [&](const FrontendClaims& claims, const FrontendClaims& others) {
        for (const auto& [key, claim] : claims) {
            auto other = others.find(key);
            if (other != others.end() && other->second == claim)
                continue;
            keys.push_back(key);
            if (claim.row.kind == LB_KIND_CLUSTER_IP)
                moved.insert(key.address);
        }
    };
    compare(held, next);
    compare(next, held);
    for (const auto& address : moved)
        add_keys_of(address, keys);
    return keys;
}

template <class Claimed>
Claims::Affair Claims::affair(std::vector<FrontendKey> keys, Claimed claimed) const
{
    std::ranges::sort(keys);
    const auto twice = std::ranges::unique(keys);
    keys.erase(twice.begin(), twice.end());
    Affair out;
    out.keys.reserve(keys.size());
    for (const auto& key : keys) {
        out.keys.push_back({key, winner(key), claimed(key)});
        if (out.addresses.empty() || out.addresses.back().first != key.address)
            out.addresses.emplace_back(key.address, has_wildcard(key.address));
    }
    return out;
}

std::vector<FrontendChange> Claims::replace(const ObjectKey& owner, FrontendClaims next,
                                            std::vector<Notice>& notices)
{
    const auto& old = claims_of(owner);
    if (old == next)
        return {};
    const auto before = affair(differing(old, next), [&](const auto& key) { return old.contains(key); });

    const auto held = std::exchange(by_owner_[owner], std::move(next)); // winners of before point into it
    const auto& fresh = claims_of(owner);
    for (const auto& [key, claim] : fresh)
        link(key, claim);
    for (const auto& [key, claim] : held)
        unlink(key, claim);

    auto changes = report(before, owner, notices);
    if (fresh.empty())
        by_owner_.erase(owner);
    return changes;
}

std::vector<FrontendChange> Claims::reserve(std::set<SocketAddress> addresses, std::vector<Notice>& notices)
{
    if (addresses == reserved_)
        return {};
    std::vector<SocketAddress> differ;
    std::ranges::set_symmetric_difference(addresses, reserved_, std::back_inserter(differ));
    std::vector<FrontendKey> keys;
    for (const auto& each : differ)
        add_keys_of(each.address, keys);
    const auto before = affair(std::move(keys), [](const auto&) { return true; });
    reserved_ = std::move(addresses);
    return report(before, {}, notices);
}

/// What became different; `claimant` is told too where it is new and loses.
std::vector<FrontendChange> Claims::report(const Affair& affair, const ObjectKey& claimant,
                                           std::vector<Notice>& notices)
{
    std::vector<FrontendChange> changes;
    auto change = [&](const FrontendKey& key, bool was_there, const FrontendRow* now) {
        changes.push_back({key, now});
        rows_ += now ? 1u : 0u;
        rows_ -= was_there ? 1u : 0u;
    };
    for (const auto& before : affair.keys) {
        const auto& key = before.key;
        const Claim* now = winner(key);
        if (now ? !before.winner || before.winner->row != now->row : before.winner != nullptr)
            change(key, before.winner != nullptr, now ? &now->row : nullptr);

        auto tell = [&](const ObjectKey& loser) {
            const auto& theirs = claims_of(loser);
            if (auto claim = theirs.find(key); claim != theirs.end() && !(now && now->owner == loser))
                notices.push_back(lost(claim->second, key, now, shut_out(key, claim->second)));
        };
        if (before.winner)
            tell(before.winner->owner);
        if (!before.claimed && !(before.winner && before.winner->owner == claimant))
            tell(claimant);
    }
    for (const auto& [address, had] : affair.addresses)
        if (has_wildcard(address) != had)
            change({address, {}, {}}, had, had ? nullptr : &wildcard_row);
    return changes;
}

} // namespace naru
