#include "claims.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
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

/// An address of this node also carries traffic that is none of ours.
bool owns_address(const Claim& claim)
{
    return claim.row.kind != LB_KIND_NODE_PORT && !claim.row.node_address;
}

FrontendRow wildcard_row()
{
    FrontendRow row;
    row.kind = static_cast<lb_frontend_kind>(0);
    return row;
}

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

const Claim* Claims::winner(const FrontendKey& key) const
{
    auto contest = by_key_.find(key);
    if (contest == by_key_.end())
        return nullptr;
    const Claim* first = *contest->second.begin();
    return shut_out(key, *first) ? nullptr : first;
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
    auto contest = by_key_.find(key);
    if (contest == by_key_.end())
        return {};
    return {contest->second.begin(), contest->second.end()};
}

std::size_t Claims::contenders(const FrontendKey& key) const
{
    auto contest = by_key_.find(key);
    return contest == by_key_.end() ? 0 : contest->second.size();
}

std::vector<Shadow> Claims::shadows() const
{
    std::vector<Shadow> all;
    for (const auto& key : contested_) {
        std::uint32_t rank = 0;
        for (const Claim* claim : by_key_.at(key)) {
            if (rank > 0)
                all.push_back({key, rank, claim->owner, claim->row.kind});
            ++rank;
        }
    }
    return all;
}

const std::map<FrontendKey, Claim>& Claims::claims_of(const ObjectKey& owner) const
{
    static const std::map<FrontendKey, Claim> none;
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
    auto& contest = by_key_[key];
    contest.insert(&claim);
    if (contest.size() > 1) {
        contested_.insert(key);
        ++contest_changes_;
    }
    auto [at, added] = uses_.try_emplace(key.address);
    if (added)
        used_.add(key.address);
    auto& use = at->second;
    use.cluster_ip += claim.row.kind == LB_KIND_CLUSTER_IP;
    use.wildcard += owns_address(claim);
    ++use.claims;
}

void Claims::unlink(const FrontendKey& key, const Claim& claim)
{
    auto contest = by_key_.find(key);
    if (contest->second.size() > 1)
        ++contest_changes_;
    contest->second.erase(&claim);
    if (contest->second.size() == 1)
        contested_.erase(key);
    if (contest->second.empty())
        by_key_.erase(contest);
    auto use = uses_.find(key.address);
    use->second.cluster_ip -= claim.row.kind == LB_KIND_CLUSTER_IP;
    use->second.wildcard -= owns_address(claim);
    if (--use->second.claims == 0) {
        used_.remove(key.address);
        uses_.erase(use);
    }
}

void Claims::add_keys_of(const Address& address, Affected& to) const
{
    for (auto it = by_key_.lower_bound({address, {}, {}});
         it != by_key_.end() && it->first.address == address; ++it)
        to.try_emplace(it->first);
}

/// The keys whose claim differs. A ClusterIP that comes or goes matters to every key of its address.
Claims::Affected Claims::affected(const std::map<FrontendKey, Claim>& held,
                                  const std::map<FrontendKey, Claim>& next) const
{
    Affected keys;
    std::set<Address> contested;
    auto consider = [&](const FrontendKey& key, const Claim& claim) {
        keys.try_emplace(key);
        if (claim.row.kind == LB_KIND_CLUSTER_IP)
            contested.insert(key.address);
    };
    auto differs = [](const auto& entry, const std::map<FrontendKey, Claim>& other) {
        auto same = other.find(entry.first);
        return same == other.end() || same->second != entry.second;
    };
    for (const auto& entry : held)
        if (differs(entry, next))
            consider(entry.first, entry.second);
    for (const auto& entry : next)
        if (differs(entry, held))
            consider(entry.first, entry.second);
    for (const auto& address : contested)
        add_keys_of(address, keys);
    for (auto& [key, before] : keys)
        before = {.winner = winner(key), .claimed = held.contains(key)};
    return keys;
}

std::vector<FrontendChange> Claims::replace(const ObjectKey& owner, std::map<FrontendKey, Claim> next,
                                            std::vector<Notice>& notices)
{
    auto& held = by_owner_[owner];
    const auto keys = affected(held, next);
    const auto had_wildcard = wildcards(keys);

    std::vector<std::map<FrontendKey, Claim>::node_type> replaced; // winners of before point to them
    for (const auto& [key, _] : keys) {
        if (auto old = held.find(key);
            old != held.end() && (!next.contains(key) || next.at(key) != old->second)) {
            unlink(key, old->second);
            replaced.push_back(held.extract(old));
        }
        if (auto fresh = next.extract(key); fresh && !held.contains(key))
            link(key, held.insert(std::move(fresh)).position->second);
    }

    auto changes = report(keys, had_wildcard, owner, notices);
    if (held.empty())
        by_owner_.erase(owner);
    return changes;
}

std::vector<FrontendChange> Claims::reserve(std::set<SocketAddress> addresses, std::vector<Notice>& notices)
{
    if (addresses == reserved_)
        return {};
    std::vector<SocketAddress> differ;
    std::ranges::set_symmetric_difference(addresses, reserved_, std::back_inserter(differ));
    Affected keys;
    for (const auto& each : differ)
        add_keys_of(each.address, keys);
    for (auto& [key, before] : keys)
        before = {.winner = winner(key), .claimed = true};
    const auto had_wildcard = wildcards(keys);
    reserved_ = std::move(addresses);
    return report(keys, had_wildcard, {}, notices);
}

std::map<Address, bool> Claims::wildcards(const Affected& keys) const
{
    std::map<Address, bool> out;
    for (const auto& [key, _] : keys)
        out.try_emplace(key.address, has_wildcard(key.address));
    return out;
}

/// What became different of `keys`; `claimant` is told too where it is new and loses.
std::vector<FrontendChange> Claims::report(const Affected& keys, const std::map<Address, bool>& had_wildcard,
                                           const ObjectKey& claimant, std::vector<Notice>& notices) const
{
    std::vector<FrontendChange> changes;
    for (const auto& [key, before] : keys) {
        const Claim* now = winner(key);
        if (!now && before.winner)
            changes.emplace_back(key, std::nullopt);
        else if (now && (!before.winner || before.winner->row != now->row))
            changes.emplace_back(key, now->row);

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
    for (const auto& [address, had] : had_wildcard)
        if (has_wildcard(address) && !had)
            changes.emplace_back(FrontendKey{address, {}, {}}, wildcard_row());
        else if (had && !has_wildcard(address))
            changes.emplace_back(FrontendKey{address, {}, {}}, std::nullopt);
    return changes;
}

} // namespace naru
