#include "plan.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "layout.hpp"
#include "own_endpoints.hpp"

namespace naru {

namespace {

template <class Row>
bool same(const Row* a, const Row* b)
{
    return a && b ? *a == *b : a == b;
}

template <class Key>
void sort_once(std::vector<Key>& keys)
{
    if (!std::ranges::is_sorted(keys))
        std::ranges::sort(keys);
    const auto twice = std::ranges::unique(keys);
    keys.erase(twice.begin(), twice.end());
}

template <class Key>
void append(std::vector<Key>& to, std::vector<Key> from)
{
    if (to.empty())
        to = std::move(from);
    else
        to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

FrontendKey wildcard_of(const Address& address) { return {address, {}, {}}; }

std::size_t ranges_in(const ServiceRows& rows)
{
    std::size_t count = 0;
    for (const auto& [_, row] : rows)
        count += row.source_ranges.size();
    return count;
}

/// Of the blocks that these rows become.
std::size_t arena_bytes(const ServiceRows& rows)
{
    std::size_t bytes = 0;
    for (const auto& [_, row] : rows)
        bytes += block_bytes(row.backends.size(), slot_count(row.algorithm, row.backends));
    return bytes;
}

/// What one Service takes against what is free.
struct Growth {
    std::size_t added = 0;
    std::size_t removed = 0;

    bool fits(std::size_t held, std::size_t capacity) const
    {
        return added <= removed || held + added - removed <= capacity;
    }
};

} // namespace

void Planner::Touched::add(Touched other)
{
    append(services, std::move(other.services));
    append(frontends, std::move(other.frontends));
    sort();
}

void Planner::Touched::sort()
{
    sort_once(services);
    sort_once(frontends);
}

Plan Planner::update(const Store& store, const std::vector<ObjectKey>& dirty, const NodeView& view,
                     const Tables& installed)
{
    Plan plan;
    Touched touched;
    const auto rows = [this] { return service_rows_ + claims_.row_count() + ranges_; };
    const auto rows_before = rows();
    const auto arena_before = arena_;
    protect(store, view, plan, touched);
    for (const auto& key : dirty)
        recompute(store, key, view, plan, touched);

    // Whoever was refused gets a chance when something went. The first that still has no room ends it: the
    // others wait for the next time rather than make every change pay for all of them.
    if (rows() < rows_before || arena_ < arena_before)
        for (const auto& key : std::set<ObjectKey>{refused_}) {
            if (!std::ranges::binary_search(dirty, key))
                recompute(store, key, view, plan, touched);
            if (refused_.contains(key))
                break;
        }

    // Claims do not depend on endpoints, so this ends: another round only follows who was refused and fits
    // now.
    while (!endpoints_in_doubt_.empty())
        for (const auto& key : std::exchange(endpoints_in_doubt_, {}))
            recompute(store, key, view, plan, touched);

    touched.sort();
    plan.changes = changes(touched, installed);
    pending_.add(std::move(touched));
    return plan;
}

void Planner::settle(const Tables& installed)
{
    settled_ = true;
    if (remaining(installed).empty() && installed.services.size() == service_rows_ &&
        installed.frontends.size() == claims_.row_count())
        return; // all that is wanted is there, and so nothing else
    Touched unwanted;
    for (const auto& [id, _] : installed.services)
        if (!wanted(id))
            unwanted.services.push_back(id);
    for (const auto& [key, _] : installed.frontends)
        if (!claims_.row(key))
            unwanted.frontends.push_back(key);
    pending_.add(std::move(unwanted));
}

std::vector<Change> Planner::remaining(const Tables& installed)
{
    std::erase_if(pending_.services,
                  [&](const ServiceId& id) { return same(wanted(id), find_row(installed.services, id)); });
    std::erase_if(pending_.frontends, [&](const FrontendKey& key) {
        return same(claims_.row(key), find_row(installed.frontends, key));
    });
    return changes(pending_, installed);
}

std::vector<Change> Planner::changes(const Touched& touched, const Tables& installed) const
{
    Changes list;
    for (const auto& id : touched.services)
        if (const auto* want = wanted(id); want || settled_)
            list.service(id, find_row(installed.services, id), want);
    for (const auto& key : touched.frontends)
        if (const auto* want = claims_.row(key); want || settled_)
            list.frontend(key, find_row(installed.frontends, key), want);
    return list.take();
}

const ServiceRows& Planner::services_of(const ObjectKey& key) const
{
    static const ServiceRows none;
    const auto* rows = find_row(services_, key);
    return rows ? *rows : none;
}

const ServiceRow* Planner::wanted(const ServiceId& id) const { return find_row(services_of(id.key), id); }

Tables Planner::wanted() const
{
    Tables all{.services = {}, .frontends = claims_.rows()};
    for (const auto& [_, rows] : services_)
        all.services.insert(rows.begin(), rows.end());
    return all;
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
    const auto next_ranges = ranges_in(next.services);
    const auto next_bytes = arena_bytes(next.services);
    if (service_rows_ + next.services.size() <= capacity_.services &&
        claims_.row_count() + 2 * next.claims.size() <= capacity_.frontends && // each may bring its wildcard
        ranges_ + next_ranges <= capacity_.ranges && arena_ + next_bytes <= capacity_.arena)
        return true; // far from full: no need to look closer

    const auto& held = services_of(key);
    const Growth services{.added = next.services.size(), .removed = held.size()};
    const Growth ranges{.added = next_ranges, .removed = ranges_in(held)};
    const Growth arena{.added = next_bytes, .removed = arena_bytes(held)};
    Growth frontends;
    const Address* last = nullptr; // claims are sorted: the keys of an address follow one another
    for (const auto& [frontend, claim] : next.claims) {
        frontends.added += !claims_.row(frontend);
        if (!last || *last != frontend.address)
            frontends.added += takes_whole_address(claim.row) && !claims_.row(wildcard_of(frontend.address));
        last = &frontend.address;
    }
    for (const auto& [frontend, _] : claims_.claims_of(key))
        frontends.removed += !next.claims.contains(frontend) && claims_.contenders(frontend) == 1;

    return services.fits(service_rows_, capacity_.services) &&
           frontends.fits(claims_.row_count(), capacity_.frontends) &&
           ranges.fits(ranges_, capacity_.ranges) && arena.fits(arena_, capacity_.arena);
}

void Planner::want(const ObjectKey& key, Desired next, std::vector<Notice>& notices, Touched& touched)
{
    for (const auto* rows : {&services_of(key), &std::as_const(next.services)})
        for (const auto& [id, _] : *rows)
            touched.services.push_back(id);
    service_rows_ += next.services.size() - services_of(key).size();
    ranges_ += ranges_in(next.services) - ranges_in(services_of(key));
    arena_ += arena_bytes(next.services) - arena_bytes(services_of(key));
    if (next.services.empty())
        services_.erase(key);
    else
        services_.insert_or_assign(key, std::move(next.services));

    for (const auto& [frontend, _] : next.claims)
        touched.frontends.push_back(frontend);
    adopt(claims_.replace(key, std::move(next.claims), notices), touched);
}

void Planner::adopt(const std::vector<FrontendChange>& changes, Touched& touched)
{
    for (const auto& [frontend, row] : changes) {
        touched.frontends.push_back(frontend);
        if (frontend.protocol && !(row && row->kind == LB_KIND_NODE_PORT))
            endpoints_.add_services_at(frontend.address, endpoints_in_doubt_);
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
