#include <algorithm>
#include <cstring>
#include <set>

#include <fmt/format.h>

#include "datapath/rows.hpp"
#include "explain_pick.hpp"
#include "lb/reason.h"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

constexpr std::size_t shown_candidates = 8;

std::string from_text(const Flow& flow)
{
    if (!flow.from)
        return "a process of this node";
    return flow.from_port ? SocketAddress{*flow.from, *flow.from_port}.text() : flow.from->text();
}

const char* path_of(const Flow& flow)
{
    if (!flow.from)
        return "socket call in the host's network namespace";
    return flow.outside ? "packet over an uplink" : "packet of a pod on this node";
}

/// What a lookup is explained with: one row a step, ended by the verdict.
class Story {
public:
    void tell(std::string step, std::string detail)
    {
        table_.rows.push_back({{std::move(step), std::move(detail), {}}});
    }

    Table end(const std::set<lb_reason>& verdicts) &&
    {
        for (auto why : verdicts)
            table_.rows.push_back(
                {{std::string{"verdict"}, fmt::format("{}: {}", reason_key(why), reason_meaning(why)),
                  std::string{reason_key(why)}}});
        return std::move(table_);
    }

private:
    Table table_{{{"STEP", "step"}, {"DETAIL", "detail"}, {"", "reason"}}, {}};
};

const lb_frontend* find_frontend(const Snapshot& tables, const lb_frontend_key& wanted)
{
    auto same = [&](const auto& row) { return std::memcmp(&row.first, &wanted, sizeof wanted) == 0; };
    auto at = std::ranges::find_if(tables.frontends, same);
    return at == tables.frontends.end() ? nullptr : &at->second;
}

bool frontend_address(const Snapshot& tables, const Address& address)
{
    return find_frontend(tables, {.addr = address.raw(), .port = 0, .proto = 0, .pad = 0, .pad2 = 0}) !=
           nullptr;
}

/// Sockets are translated for TCP and UDP alone.
bool at_socket_of_sctp(const Flow& flow) { return !flow.from && flow.protocol == Protocol::sctp; }

/// No frontend may answer: whose business is the flow then?
lb_reason unserved(const Snapshot& tables, const Flow& flow, Story& story)
{
    bool owned = frontend_address(tables, flow.to.address);
    story.tell("address", owned ? "belongs to frontends only: no other port of it is served"
                                : "not known as a frontend's: whoever has it answers");
    return owned && !at_socket_of_sctp(flow) ? LB_PORT_UNSERVED : LB_PASS;
}

/// The longest range of the service that holds the client.
std::optional<Cidr> matching_range(const Snapshot& tables, std::uint32_t service, const Address& client)
{
    std::optional<Cidr> best;
    for (const auto& key : tables.ranges) {
        auto range = network_of(key);
        if (key.service == service && range && range->contains(client) && (!best || range->bits > best->bits))
            best = range;
    }
    return best;
}

/// May this client use the frontend? LB_PASS: yes.
lb_reason admit(const Snapshot& tables, const Flow& flow, const lb_frontend& frontend, Story& story)
{
    if (!(frontend.flags & LB_FRONTEND_RANGES)) {
        story.tell("ranges", "none: every client is admitted");
        return LB_PASS;
    }
    if (!flow.from) {
        bool admitted = (frontend.flags & LB_FRONTEND_ADMITS_NODE) != 0;
        story.tell("ranges",
                   admitted ? "this node's own address matches" : "this node's own address matches none");
        return admitted ? LB_PASS : LB_SOURCE_RANGE;
    }
    auto range = matching_range(tables, frontend.inside, *flow.from);
    story.tell("ranges", range ? range->text() + " matches" : flow.from->text() + " matches none");
    return range ? LB_PASS : LB_SOURCE_RANGE;
}

void tell_entry(const Flow& flow, const lb_ct& entry, const Clock& clock, Story& story)
{
    story.tell(
        "entry",
        fmt::format(
            "this flow is tracked: {} to {}, last seen {} ago; packets of {} follow it. A new one gets:",
            ct_state_word(entry.state), socket_text(entry.to, entry.to_port),
            duration(clock.age_sec(entry.last_seen)),
            has_connections(flow.protocol) ? "that connection" : "that flow"));
}

std::string frontend_text(const Snapshot& tables, const Flow& flow, const lb_frontend& frontend)
{
    return fmt::format("{}/{}  {}  {}", flow.to.text(), text(flow.protocol), kind_word(frontend.kind),
                       tables.label(frontend.inside));
}

/// How the backend is reached, and what that is counted as.
lb_reason way_to(const Flow& flow, const Block& block, const lb_backend& backend)
{
    if (!flow.from)
        return LB_TRANSLATED;
    if (Address::from(backend.addr) == *flow.from)
        return LB_HAIRPIN;
    if (!flow.outside || (backend.flags & LB_BACKEND_LOCAL))
        return LB_FORWARD_LOCAL;
    return forwarding_of(block) == Forwarding::dsr ? LB_ENCAPSULATED : LB_FORWARD_REMOTE;
}

const char* rewrite_text(lb_reason way)
{
    switch (way) {
    case LB_TRANSLATED:
        return "the socket gets the backend's address; its packets need nothing";
    case LB_FORWARD_LOCAL:
        return "destination becomes the backend, source kept";
    case LB_ENCAPSULATED:
        return "unchanged, in another IP header for the backend; its node answers the client directly";
    default:
        return "destination becomes the backend, source an address of this node";
    }
}

std::set<lb_reason> tell_candidates(const Flow& flow, const Block& block, std::vector<Candidate> candidates,
                                    Story& story)
{
    std::set<lb_reason> ways;
    for (std::size_t i = 0; i < candidates.size(); ++i) {
        const auto& backend = block.rows[candidates[i].position];
        auto way = way_to(flow, block, backend);
        ways.insert(way);
        if (i >= shown_candidates)
            continue;
        std::string states;
        for (const auto& state : backend_states(backend.flags))
            states.append(states.empty() ? "" : ",").append(state);
        story.tell("backend", fmt::format("{}  position {}, generation {}, {}{}",
                                          socket_text(backend.addr, backend.port), candidates[i].position,
                                          backend.generation, states,
                                          candidates.size() > 1 ? fmt::format(", {:.1f}% of new flows",
                                                                              100 * candidates[i].share)
                                                                : ""));
    }
    if (candidates.size() > shown_candidates)
        story.tell("backend",
                   fmt::format("and {} more, see `naructl backends`", candidates.size() - shown_candidates));
    for (auto way : ways)
        story.tell("rewrite", rewrite_text(way));
    return ways;
}

} // namespace

lb_tuple tuple_of(const Flow& flow)
{
    return {.src = flow.from.value_or(Address{}).raw(),
            .dst = flow.to.address.raw(),
            .sport = flow.from_port.value_or(Port{}).raw(),
            .dport = flow.to.port.raw(),
            .proto = static_cast<std::uint8_t>(flow.protocol),
            .direction = LB_DIR_FORWARD,
            .pad = 0};
}

lb_frontend_key frontend_of(const Flow& flow)
{
    return {.addr = flow.to.address.raw(),
            .port = flow.to.port.raw(),
            .proto = static_cast<std::uint8_t>(flow.protocol),
            .pad = 0,
            .pad2 = 0};
}

Table explain(const Snapshot& tables, const Flow& flow, const Remembered& remembered, const Clock& clock)
{
    Story story;
    story.tell("client", fmt::format("{}: {}", from_text(flow), path_of(flow)));
    if (flow.from && flow.to.address.is_loopback()) {
        story.tell("address", "loopback: never served to a wire");
        return std::move(story).end({LB_LOOPBACK});
    }

    const auto* frontend = find_frontend(tables, frontend_of(flow));
    if (!frontend) {
        story.tell("frontend", fmt::format("no row for {}/{}", flow.to.text(), text(flow.protocol)));
        return std::move(story).end({unserved(tables, flow, story)});
    }
    story.tell("frontend", frontend_text(tables, flow, *frontend));
    if (at_socket_of_sctp(flow)) {
        story.tell("socket",
                   "no socket of SCTP is translated: packets are, those of pods (--from), and those of this "
                   "node's processes with --socket-lb off");
        return std::move(story).end({LB_PASS});
    }
    for (const auto& service : tables.waiting_for(frontend_of(flow)))
        story.tell("shadowed", service + " wants it too, and waits until the owner goes");
    if (remembered.entry)
        tell_entry(flow, *remembered.entry, clock, story);
    if (frontend->flags & LB_FRONTEND_TOMBSTONE) {
        story.tell("frontend", "deleted: kept for tracked connections alone");
        return std::move(story).end({unserved(tables, flow, story)});
    }
    if ((frontend->flags & LB_FRONTEND_HOST_ONLY) && flow.from) {
        story.tell("frontend", "for processes of the host only");
        return std::move(story).end({unserved(tables, flow, story)});
    }
    if (auto why = admit(tables, flow, *frontend, story); why != LB_PASS)
        return std::move(story).end({why});

    auto service = flow.outside ? frontend->outside : frontend->inside;
    const auto* view = tables.find(service);
    const auto* block = tables.block(service);
    if (!block) {
        story.tell("service", fmt::format("id {} has no block that can be read", service));
        return std::move(story).end({LB_BAD_STATE});
    }
    auto count = count_backends(*block);
    story.tell("service", fmt::format("{} list: id {}, {} of {} backends usable",
                                      view->name ? scope_word(view->name->scope) : "unnamed", service,
                                      count.chosen, count.total));
    if (block->slots.empty())
        return std::move(story).end(
            {block->flags & LB_SERVICE_DROP_IF_EMPTY ? LB_NO_LOCAL_ENDPOINTS : LB_NO_BACKEND});

    auto pick = pick_backend(tables, flow, service, *block, remembered, clock);
    story.tell("affinity", pick.affinity);
    story.tell("pick", pick.how);
    return std::move(story).end(tell_candidates(flow, *block, std::move(pick.candidates), story));
}

} // namespace naru::ctl
