#include "select.hpp"

#include <algorithm>
#include <tuple>

#include "weights.hpp"

namespace naru {

namespace {

/// Lower is better: of two slices that tell differently of one endpoint, the better news holds.
enum class Condition : std::uint8_t { ready, draining, serving, unusable };

Condition condition(const Endpoint& endpoint)
{
    if (endpoint.is_ready())
        return Condition::ready;
    if (!endpoint.is_serving())
        return Condition::unusable;
    return endpoint.is_terminating() ? Condition::draining : Condition::serving;
}

struct Candidate {
    SocketAddress at;
    const Endpoint* endpoint;
    Condition condition;
    std::uint16_t weight;
};

/// Total on what matters, so that the order of slices does not.
bool before(const Candidate& a, const Candidate& b)
{
    if (auto order = a.at <=> b.at; order != 0)
        return order < 0;
    if (a.condition != b.condition)
        return a.condition < b.condition;
    auto rest = [](const Endpoint& e) { return std::tie(e.node, e.terminating, e.zone_hints, e.node_hints); };
    return std::tuple{rest(*a.endpoint), a.weight} < std::tuple{rest(*b.endpoint), b.weight};
}

/// The first port of that name and protocol counts, even when it says that there is none.
std::optional<Port> find_port(const EndpointSlice& slice, const Name& name, Protocol protocol)
{
    for (const auto& port : slice.ports)
        if (port.protocol == protocol && port.name == name)
            return port.port && port.port->host ? port.port : std::nullopt;
    return std::nullopt;
}

bool names(const std::vector<Name>& hints, const Name& name)
{
    return !name.empty() && std::ranges::find(hints, name) != hints.end();
}

using Hints = std::vector<Name> Endpoint::*;

/// All or nothing: a hint counts only when every ready endpoint has one of the kind and one names us.
bool hints_hold(const std::vector<Candidate>& candidates, Hints hints, const Name& name)
{
    bool named = false;
    for (const auto& candidate : candidates) {
        if (candidate.condition != Condition::ready)
            continue;
        if ((candidate.endpoint->*hints).empty())
            return false;
        named = named || names(candidate.endpoint->*hints, name);
    }
    return named;
}

/// `chosen` holds the ready ones of the list; when there are none the draining ones `in_list` take over.
template <class InList>
void fall_back(std::vector<Backend>& list, const std::vector<Candidate>& candidates, InList in_list)
{
    if (std::ranges::any_of(list, &Backend::chosen))
        return;
    for (std::size_t i = 0; i < list.size(); ++i)
        list[i].chosen = candidates[i].condition == Condition::draining && in_list(list[i]);
}

std::vector<Candidate> collect(std::span<const EndpointSlice* const> slices, const Name& port_name,
                               Protocol protocol, Family family, unsigned& refused)
{
    std::vector<Candidate> candidates;
    for (const auto* slice : slices) {
        if (slice->headless_label || slice->family != family)
            continue;
        auto port = find_port(*slice, port_name, protocol);
        if (!port)
            continue;
        const auto weights = Weights::parse(slice->weights).value_or(Weights{});
        candidates.reserve(candidates.size() + slice->endpoints.size());
        for (const auto& endpoint : slice->endpoints) {
            if (endpoint.address.family() != family || endpoint.address.why_unservable())
                ++refused;
            else if (auto state = condition(endpoint); state != Condition::unusable)
                candidates.push_back(
                    {{endpoint.address, *port}, &endpoint, state, weights.of(endpoint.address)});
        }
    }
    std::ranges::sort(candidates, before);
    auto twice = std::ranges::unique(candidates, {}, &Candidate::at);
    candidates.erase(twice.begin(), twice.end());
    return candidates;
}

} // namespace

Selection select_endpoints(std::span<const EndpointSlice* const> slices, const Name& port_name,
                           Protocol protocol, Family family, const Node& node)
{
    Selection selection;
    auto candidates = collect(slices, port_name, protocol, family, selection.refused);

    Hints hints = nullptr;
    Name named;
    if (hints_hold(candidates, &Endpoint::node_hints, node.name)) {
        hints = &Endpoint::node_hints;
        named = node.name;
    } else if (node.zone && hints_hold(candidates, &Endpoint::zone_hints, *node.zone)) {
        hints = &Endpoint::zone_hints;
        named = *node.zone;
    }

    const Name here = node.name;
    selection.cluster.reserve(candidates.size());
    selection.local.reserve(candidates.size());
    for (const auto& [at, endpoint, state, weight] : candidates) {
        bool ready = state == Condition::ready;
        bool local = !here.empty() && endpoint->node == here;
        Backend backend{.at = at, .serving = true, .local = local, .terminating = endpoint->is_terminating()};
        backend.weight = weight;
        backend.chosen = ready && (!hints || names(endpoint->*hints, named));
        selection.cluster.push_back(backend);
        backend.chosen = ready && local;
        selection.local.push_back(backend);
        selection.ready_here = selection.ready_here || backend.chosen;
        selection.any_usable = selection.any_usable || ready || state == Condition::draining;
    }
    fall_back(selection.cluster, candidates, [](const Backend&) { return true; });
    fall_back(selection.local, candidates, [](const Backend& backend) { return backend.local; });
    for (auto* list : {&selection.cluster, &selection.local})
        for (auto& backend : *list)
            backend.chosen = backend.chosen && backend.weight;
    return selection;
}

} // namespace naru
