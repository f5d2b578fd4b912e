#include "explain_pick.hpp"

#include <algorithm>
#include <optional>
#include <tuple>

#include <fmt/format.h>

#include "lb/hash.h"
#include "model/algorithm.hpp"
#include "words.hpp"

namespace naru::ctl {

namespace {

constexpr std::uint32_t seed = LB_DEFAULT_SEED; // equal on all nodes, no flag changes it

std::vector<Candidate> by_chance(const Block& block)
{
    std::vector<std::size_t> slots(block.rows.size());
    for (auto position : block.slots)
        ++slots.at(position);
    std::vector<Candidate> candidates;
    for (std::size_t position = 0; position < slots.size(); ++position)
        if (slots[position])
            candidates.push_back(
                {static_cast<std::uint16_t>(position),
                 static_cast<double>(slots[position]) / static_cast<double>(block.slots.size())});
    std::ranges::stable_sort(candidates, std::ranges::greater{}, &Candidate::share);
    return candidates;
}

Pick by_slot(const Block& block, std::uint32_t hash, std::string_view what, std::string affinity)
{
    auto slot = lb_slot(hash, static_cast<std::uint16_t>(block.slots.size()));
    auto position = block.slots[slot];
    return {std::move(affinity),
            fmt::format("{}: slot {} of {} -> position {}", what, slot, block.slots.size(), position),
            {{position, 1}}};
}

/// How many connections a backend counts as: what schedule.h calls a load.
std::uint64_t jobs(lb_algorithm algorithm, std::uint64_t connections)
{
    switch (algorithm) {
    case LB_ALGORITHM_SED:
        return connections + 1;
    case LB_ALGORITHM_NQ:
        return connections ? connections + 1 : 0;
    default:
        return connections;
    }
}

Pick least_loaded(const Snapshot& tables, const Block& block, std::string affinity)
{
    const auto name = name_of(block.algorithm);
    if (block.slots.size() > LB_COMPARED_SLOTS)
        return {std::move(affinity),
                fmt::format("algorithm {}: the least loaded of {} neighbours, where they begin is chance",
                            name, LB_COMPARED_SLOTS),
                by_chance(block)};
    const auto weight = [&](const lb_backend& row) -> std::uint64_t {
        return block.algorithm == LB_ALGORITHM_LC ? 1 : row.weight;
    };
    auto least = block.slots.front();
    for (auto position : block.slots) {
        const auto &row = block.rows[position], &best = block.rows[least];
        if (jobs(block.algorithm, tables.connections_of(row)) * weight(best) <
            jobs(block.algorithm, tables.connections_of(best)) * weight(row))
            least = position;
    }
    return {std::move(affinity),
            fmt::format("algorithm {}: least loaded with {} connections and weight {} -> position {}", name,
                        tables.connections_of(block.rows[least]), block.rows[least].weight, least),
            {{least, 1}}};
}

/// What the algorithms say that look at earlier flows; nullopt: it is none of them.
std::optional<Pick> scheduled(const Snapshot& tables, const Block& block, std::string affinity)
{
    if (takes_turns(block.algorithm))
        return Pick{std::move(affinity),
                    fmt::format("algorithm {}: whose turn it is", name_of(block.algorithm)),
                    by_chance(block)};
    if (compares_loads(block.algorithm))
        return least_loaded(tables, block, std::move(affinity));
    return std::nullopt;
}

/// Where a living entry leads; nullptr: that backend is not for new flows any more.
const lb_backend* stuck_to(const Block& block, const lb_affinity& entry)
{
    if (entry.position >= block.rows.size())
        return nullptr;
    const auto& row = block.rows[entry.position];
    return row.generation == entry.generation && (row.flags & LB_BACKEND_CHOSEN) ? &row : nullptr;
}

Pick with_affinity(const Snapshot& tables, const Flow& flow, std::uint32_t service, const Block& block,
                   const Remembered& remembered, const Clock& clock)
{
    auto sticky = fmt::format("ClientIP, {}", duration(block.affinity_timeout_sec));
    if (!remembered.client)
        return {sticky + ": this client's key is not known here", "by entry or by a first pick",
                by_chance(block)};

    auto key = frontend_of(flow);
    auto first_pick = [&](std::string affinity) {
        if (auto pick = scheduled(tables, block, affinity))
            return *pick;
        return by_slot(block, lb_hash_client(&remembered.client->client, &key, seed), "hash of the client",
                       std::move(affinity));
    };
    if (!remembered.affinity)
        return first_pick(sticky + ": no entry");
    const auto& entry = *remembered.affinity;
    if (entry.service != service || entry.epoch != block.affinity_epoch)
        return first_pick(sticky + ": an entry of other times, void");
    auto left = clock.remaining_sec(entry.last_seen, block.affinity_timeout_sec);
    if (!left && (takes_turns(block.algorithm) || compares_loads(block.algorithm)))
        return first_pick(sticky + ": an expired entry");
    if (!left)
        return {sticky + ": an expired entry", "any slot by chance, because the entry expired",
                by_chance(block)};
    if (!stuck_to(block, entry))
        return first_pick(sticky + ": the entry's backend takes no new flows");
    return {fmt::format("{}: entry for {}, {} left", sticky,
                        socket_text(block.rows[entry.position].addr, block.rows[entry.position].port),
                        duration(*left)),
            fmt::format("entry -> position {}", entry.position),
            {{entry.position, 1}}};
}

/// A socket has no source port when it connects: then chance decides.
Pick by_flow(const Flow& flow, const Block& block)
{
    if (!flow.from_port)
        return {"none", "by the hash of the flow, which needs the source port (--from IP:PORT)",
                by_chance(block)};
    auto tuple = tuple_of(flow);
    return by_slot(block, lb_hash_tuple(&tuple, seed), "hash of the flow", "none");
}

} // namespace

Pick pick_backend(const Snapshot& tables, const Flow& flow, std::uint32_t service, const Block& block,
                  const Remembered& remembered, const Clock& clock)
{
    if (block.affinity_timeout_sec)
        return with_affinity(tables, flow, service, block, remembered, clock);
    if (auto pick = scheduled(tables, block, "none"))
        return *pick;
    const auto frontend = frontend_of(flow);
    switch (block.algorithm) {
    case LB_ALGORITHM_DEFAULT:
        if (!flow.outside)
            return {"none", "any slot by chance: a choice inside needs no agreement between nodes",
                    by_chance(block)};
        break;
    case LB_ALGORITHM_MAGLEV:
        break;
    case LB_ALGORITHM_RANDOM:
        return {"none", "any slot by chance: algorithm random", by_chance(block)};
    case LB_ALGORITHM_SH:
        if (!remembered.client)
            return {"none", "by the hash of the client, whose key is not known here", by_chance(block)};
        return by_slot(block, lb_hash_address(&remembered.client->client, seed),
                       "algorithm sh, hash of the client", "none");
    case LB_ALGORITHM_DH:
        return by_slot(block, lb_hash_address(&frontend.addr, seed),
                       "algorithm dh, hash of the frontend's address", "none");
    default:
        break; // scheduled
    }
    return by_flow(flow, block);
}

} // namespace naru::ctl
