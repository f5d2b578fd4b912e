#include "plan.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "own_endpoints.hpp"

namespace naru {

namespace {

/// Looks up keys that mostly come in the order of the map, one after another: the next entry is tried first.
template <class Map>
class Cursor {
public:
    explicit Cursor(const Map& map) : map_{map}, at_{map.begin()} {}

    const typename Map::mapped_type* find(const typename Map::key_type& key)
    {
        if (at_ == map_.end() || at_->first != key)
            at_ = map_.find(key);
        return at_ == map_.end() ? nullptr : &(at_++)->second;
    }

private:
    const Map& map_;
    typename Map::const_iterator at_;
};

/// Drops the keys whose rows are as they should be.
template <class Set, class Map>
void keep_differing(Set& keys, const Map& wanted, const Map& installed)
{
    Cursor wants{wanted}, holds{installed};
    std::erase_if(keys, [&](const auto& key) {
        const auto* want = wants.find(key);
        const auto* have = holds.find(key);
        return want && have ? *want == *have : want == have;
    });
}

/// Where rows from `key` on begin; at the end most of the time, because rows mostly come in order.
template <class Map, class Key>
auto first_from(Map& map, const Key& key)
{
    return map.empty() || std::prev(map.end())->first < key ? map.end() : map.lower_bound(key);
}

template <class Set>
void add(Set& to, Set& from)
{
    if (to.empty())
        to.swap(from);
    else
        to.merge(from);
}

FrontendKey wildcard_of(const Address& address) { return {address, {}, {}}; }

/// The least id a Service can have: its services follow one another.
ServiceId first_of(const ObjectKey& key) { return {key, {}, {}, Protocol::tcp, Family::v4, Scope::cluster}; }

/// Rows of one Service against what is free.
struct Growth {
    std::size_t added = 0;
    std::size_t removed = 0;

    bool fits(std::size_t held, std::size_t capacity) const
    {
        return added <= removed || held + added - removed <= capacity;
    }
};

} // namespace

Plan Planner::update(const Store& store, const std::set<ObjectKey>& dirty, const NodeView& view,
                     const Tables& installed)
{
    Plan plan;
    Touched touched;
    const auto rows = [this] { return wanted_.services.size() + wanted_.frontends.size() + ranges_; };
    const auto rows_before = rows();
    protect(store, view, plan, touched);
    for (const auto& key : dirty)
        recompute(store, key, view, plan, touched);

    // Whoever was refused gets a chance when something went. The first that still has no room ends it: the
    // others wait for the next time rather than make every change pay for all of them.
    if (rows() < rows_before)
        for (const auto& key : std::set<ObjectKey>{refused_}) {
            if (!dirty.contains(key))
                recompute(store, key, view, plan, touched);
            if (refused_.contains(key))
                break;
        }

    // Claims do not depend on endpoints, so this ends: another round only follows who was refused and fits
    // now.
    while (!endpoints_in_doubt_.empty())
        for (const auto& key : std::exchange(endpoints_in_doubt_, {}))
            recompute(store, key, view, plan, touched);

    plan.changes = changes(touched, installed);
    add(pending_.services, touched.services);
    add(pending_.frontends, touched.frontends);
    return plan;
}

void Planner::settle(const Tables& installed)
{
    settled_ = true;
    for (const auto& [id, _] : installed.services)
        if (!wanted_.services.contains(id))
            pending_.services.insert(id);
    for (const auto& [key, _] : installed.frontends)
        if (!wanted_.frontends.contains(key))
            pending_.frontends.insert(key);
}

std::vector<Change> Planner::remaining(const Tables& installed)
{
    keep_differing(pending_.services, wanted_.services, installed.services);
    keep_differing(pending_.frontends, wanted_.frontends, installed.frontends);
    return changes(pending_, installed);
}

std::vector<Change> Planner::changes(const Touched& touched, const Tables& installed) const
{
    Changes list;
    Cursor wanted_services{wanted_.services}, installed_services{installed.services};
    for (const auto& id : touched.services)
        if (const auto* want = wanted_services.find(id); want || settled_)
            list.service(id, installed_services.find(id), want);
    Cursor wanted_frontends{wanted_.frontends}, installed_frontends{installed.frontends};
    for (const auto& key : touched.frontends)
        if (const auto* want = wanted_frontends.find(key); want || settled_)
            list.frontend(key, installed_frontends.find(key), want);
    return list.take();
}

void Planner::recompute(const Store& store, const ObjectKey& key, const NodeView& view, Plan& plan,
                        Touched& touched)
{
    Desired next;
    const auto* service = store.service(key);
    const ForeignEndpoints endpoints{service ? store.slices_of(key) : std::vector<const EndpointSlice*>{},
                                     claims_};
    endpoints_.set(key, endpoints.all());
    if (service) {
        next = desired(*service, endpoints.slices(), view);
        if (auto notice = endpoints.notice(key); notice && !next.services.empty())
            next.notices.push_back(std::move(*notice));
    }

    const bool room = fits(key, next);
    if (room) {
        refused_.erase(key);
    } else {
        refused_.insert(key);
        next.notices.push_back(
            {key, "NoRoom",
             "does not fit into the tables, what it had before is kept; it is tried again when "
             "another Service goes"});
    }

    tell(key, next.notices, plan.notices);
    if (!room)
        return;
    health_checks_.replace(key, std::move(next.health_check), plan.notices, plan.health_ports);
    want(key, std::move(next), plan.notices, touched);
}

void Planner::tell(const ObjectKey& key, const std::vector<Notice>& notices, std::vector<Notice>& fresh)
{
    auto told = told_.find(key);
    for (const auto& notice : notices)
        if (told == told_.end() || !told->second.contains(notice))
            fresh.push_back(notice);
    if (!notices.empty())
        told_[key] = {notices.begin(), notices.end()};
    else if (told != told_.end())
        told_.erase(told);
}

bool Planner::fits(const ObjectKey& key, const Desired& next) const
{
    std::size_t all_ranges = 0;
    for (const auto& [_, row] : next.services)
        all_ranges += row.source_ranges.size();
    if (wanted_.services.size() + next.services.size() <= capacity_.services &&
        wanted_.frontends.size() + 2 * next.claims.size() <=
            capacity_.frontends && // each may bring its wildcard
        ranges_ + all_ranges <= capacity_.ranges)
        return true; // far from full: no need to look closer

    Growth services, frontends, ranges{.added = all_ranges};
    for (const auto& [id, _] : next.services)
        services.added += !wanted_.services.contains(id);
    for (auto it = wanted_.services.lower_bound(first_of(key));
         it != wanted_.services.end() && it->first.key == key; ++it) {
        services.removed += !next.services.contains(it->first);
        ranges.removed += it->second.source_ranges.size();
    }

    const Address* last = nullptr; // claims are sorted: the keys of an address follow one another
    for (const auto& [frontend, claim] : next.claims) {
        frontends.added += !wanted_.frontends.contains(frontend);
        if (!last || *last != frontend.address)
            frontends.added +=
                !claim.row.node_address && !wanted_.frontends.contains(wildcard_of(frontend.address));
        last = &frontend.address;
    }
    for (const auto& [frontend, _] : claims_.claims_of(key))
        frontends.removed += !next.claims.contains(frontend) && claims_.contenders(frontend) == 1;

    return services.fits(wanted_.services.size(), capacity_.services) &&
           frontends.fits(wanted_.frontends.size(), capacity_.frontends) &&
           ranges.fits(ranges_, capacity_.ranges);
}

void Planner::want(const ObjectKey& key, Desired next, std::vector<Notice>& notices, Touched& touched)
{
    auto touch = [](auto& set, const auto& row) { set.insert(set.end(), row); }; // rows mostly come in order
    auto after = first_from(wanted_.services, first_of(key));
    while (after != wanted_.services.end() && after->first.key == key) {
        touch(touched.services, after->first);
        ranges_ -= after->second.source_ranges.size();
        after = wanted_.services.erase(after);
    }
    for (auto& [id, row] : next.services) {
        touch(touched.services, id);
        ranges_ += row.source_ranges.size();
        wanted_.services.emplace_hint(after, id, std::move(row));
    }

    for (const auto& [frontend, _] : next.claims)
        touch(touched.frontends, frontend);
    adopt(claims_.replace(key, std::move(next.claims), notices), touched);
}

void Planner::adopt(std::vector<FrontendChange> changes, Touched& touched)
{
    for (auto& [frontend, row] : changes) {
        touched.frontends.insert(touched.frontends.end(), frontend);
        if (frontend.protocol && !(row && row->kind == LB_KIND_NODE_PORT))
            endpoints_.add_services_at(frontend.address, endpoints_in_doubt_);
        if (row)
            wanted_.frontends.insert_or_assign(frontend, std::move(*row));
        else
            wanted_.frontends.erase(frontend);
    }
}

/// The API server's addresses: those configured, and the endpoints it publishes itself.
void Planner::protect(const Store& store, const NodeView& view, Plan& plan, Touched& touched)
{
    auto servers = view.api_servers;
    for (const auto* slice : store.slices_of({"default", "kubernetes"}))
        for (const auto& port : slice->ports)
            for (const auto& endpoint : slice->endpoints)
                servers.insert({endpoint.address, port.port.value_or(Port{})});
    adopt(claims_.reserve(std::move(servers), plan.notices), touched);
}

} // namespace naru
