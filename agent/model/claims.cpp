#include "claims.hpp"

#include <cstdint>
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

Notice lost(const Claim& loser, const FrontendKey& key, const Claim* winner)
{
    if (!winner)
        return {loser.owner, "FrontendRefused", key.text() + " is not served: the address is a ClusterIP"};
    return {loser.owner, "FrontendConflict",
            key.text() + " is served for " + winner->owner.text() +
                ", which comes first; remove it from one of the two"};
}

} // namespace

bool Claims::Precedes::operator()(const Claim* a, const Claim* b) const
{
    auto rank = [](const Claim& c) {
        return std::tuple<int, std::int64_t, const std::string&, const ObjectKey&>{c.row.kind, age_rank(c),
                                                                                   c.uid, c.owner};
    };
    return rank(*a) < rank(*b);
}

const Claim* Claims::winner(const FrontendKey& key) const
{
    auto contest = by_key_.find(key);
    if (contest == by_key_.end())
        return nullptr;
    const Claim* first = *contest->second.begin();
    bool shut_out = written_by_hand(*first) && uses_.at(key.address).cluster_ip > 0;
    return shut_out ? nullptr : first;
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

const std::map<FrontendKey, Claim>& Claims::claims_of(const ObjectKey& owner) const
{
    static const std::map<FrontendKey, Claim> none;
    auto it = by_owner_.find(owner);
    return it == by_owner_.end() ? none : it->second;
}

bool Claims::has_wildcard(const Address& address) const
{
    auto use = uses_.find(address);
    return use != uses_.end() && use->second.wildcard > 0;
}

void Claims::link(const FrontendKey& key, const Claim& claim)
{
    auto& contest = by_key_[key];
    contest.insert(&claim);
    conflicts_ += contest.size() == 2;
    auto& use = uses_[key.address];
    use.cluster_ip += claim.row.kind == LB_KIND_CLUSTER_IP;
    use.wildcard += owns_address(claim);
    ++use.claims;
}

void Claims::unlink(const FrontendKey& key, const Claim& claim)
{
    auto contest = by_key_.find(key);
    contest->second.erase(&claim);
    conflicts_ -= contest->second.size() == 1;
    if (contest->second.empty())
        by_key_.erase(contest);
    auto use = uses_.find(key.address);
    use->second.cluster_ip -= claim.row.kind == LB_KIND_CLUSTER_IP;
    use->second.wildcard -= owns_address(claim);
    if (--use->second.claims == 0)
        uses_.erase(use);
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
        for (auto it = by_key_.lower_bound({address, {}, {}});
             it != by_key_.end() && it->first.address == address; ++it)
            keys.try_emplace(it->first);
    for (auto& [key, before] : keys)
        before = {.winner = winner(key), .claimed = held.contains(key)};
    return keys;
}

std::vector<FrontendChange> Claims::replace(const ObjectKey& owner, std::map<FrontendKey, Claim> next,
                                            std::vector<Notice>& notices)
{
    auto& held = by_owner_[owner];
    const auto keys = affected(held, next);
    std::map<Address, bool> had_wildcard;
    for (const auto& [key, _] : keys)
        had_wildcard.try_emplace(key.address, has_wildcard(key.address));

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

    std::vector<FrontendChange> changes;
    for (const auto& [key, before] : keys) {
        const Claim* now = winner(key);
        if (!now && before.winner)
            changes.push_back({key, std::nullopt});
        else if (now && (!before.winner || before.winner->row != now->row))
            changes.push_back({key, now->row});

        auto tell = [&](const ObjectKey& loser) {
            const auto& theirs = claims_of(loser);
            if (auto claim = theirs.find(key); claim != theirs.end() && !(now && now->owner == loser))
                notices.push_back(lost(claim->second, key, now));
        };
        if (before.winner)
            tell(before.winner->owner);
        if (!before.claimed && !(before.winner && before.winner->owner == owner))
            tell(owner);
    }
    for (const auto& [address, had] : had_wildcard)
        if (bool has = has_wildcard(address); has != had)
            changes.push_back({{address, {}, {}}, has ? std::optional{wildcard_row()} : std::nullopt});
    if (held.empty())
        by_owner_.erase(owner);
    return changes;
}

} // namespace naru
