#include "adopt.hpp"

#include <algorithm>
#include <atomic>
#include <bit>
#include <map>
#include <set>

#include <fmt/format.h>

#include "rows.hpp"
#include "table.hpp"

namespace naru {

lb_service Records::record(std::uint32_t number) const
{
    return std::bit_cast<lb_service>(std::atomic_ref{words[number]}.load(std::memory_order_acquire));
}

void Records::publish(std::uint32_t number, lb_service record) const
{
    static_assert(sizeof(lb_service) == sizeof(std::uint64_t));
    std::atomic_ref{words[number]}.store(std::bit_cast<std::uint64_t>(record), std::memory_order_release);
}

namespace {

class Reader {
public:
    Reader(const Maps& maps, LazyMapping& arena, const Records& records, std::vector<std::string>& findings)
        : names_{maps.names.get(), "lb_names"}, frontends_{maps.frontends.get(), "lb_frontends"},
          ranges_{maps.ranges.get(), "lb_ranges"}, node_{maps.node.get(), "lb_node"}, arena_{arena},
          records_{records}, findings_{findings},
          adoption_{.contents = {.tables = {},
                                 .held = {},
                                 .space = ArenaSpace{static_cast<std::uint32_t>(arena.size())},
                                 .numbers = Numbers{static_cast<std::uint32_t>(records.words.size())},
                                 .generations = Generations{1},
                                 .ranges = 0}}
    {
    }

    Result<Adoption> run()
    {
        for (auto step : {&Reader::services, &Reader::nameless_records, &Reader::source_ranges,
                          &Reader::frontends, &Reader::generations})
            if (auto done = (this->*step)(); !done)
                return std::unexpected{done.error()};
        return std::move(adoption_);
    }

private:
    Result<> services()
    {
        std::map<std::uint32_t, lb_service_name> named;
        auto read =
            names_.for_each([&](std::uint32_t number, const auto& name) { named.emplace(number, name); });
        if (!read)
            return read;
        for (const auto& [number, raw] : named) {
            auto why = take_service(number, raw);
            if (why.empty())
                continue;
            findings_.push_back(fmt::format("service number {}: {}", number, why));
            withdraw(number);
            if (auto gone = names_.erase(number); !gone)
                return gone;
        }
        return drop_unfinished();
    }

    /// Empty: adopted, or never finished.
    std::string take_service(std::uint32_t number, const lb_service_name& raw)
    {
        if (number == 0 || number >= records_.words.size())
            return "its number is out of bounds";
        auto record = records_.record(number);
        if (record.block == 0) {
            unfinished_.insert(number);
            return {};
        }
        auto name = from_raw(raw);
        if (!name)
            return "its name cannot be read";
        auto label = name->id.text();
        if (record.block % LB_BLOCK_ALIGN != 0 || record.block >= arena_.size())
            return label + ", its record leads out of the arena";
        auto bytes = arena_.at(record.block, block_bytes(record.rows, record.slots));
        if (!bytes)
            return label + ": " + bytes.error().message();
        auto block = decode(*bytes, number, record);
        if (!block)
            return label + ", its record and its block contradict each other";
        auto& contents = adoption_.contents;
        if (contents.held.contains(name->id))
            return label + ", which number " + std::to_string(contents.held.at(name->id).number) + " is too";
        if (!contents.space.take_at(record.block, block->bytes()))
            return label + ", its block overlaps another one";

        auto row = row_of(*block);
        row.type = name->type;
        contents.tables.services.emplace(name->id, std::move(row));
        contents.numbers.take_at(number);
        for (const auto& backend : block->rows)
            highest_generation_ = std::max(highest_generation_, backend.generation);
        highest_generation_ = std::max(highest_generation_, block->affinity_epoch);
        contents.held.emplace(name->id, Held{.number = number, .record = record, .frontends = 0});
        ids_.emplace(number, name->id);
        return {};
    }

    /// Names whose record was never published, or is no more: an agent ended between the two writes.
    Result<> drop_unfinished()
    {
        for (auto number : unfinished_)
            if (auto gone = names_.erase(number); !gone)
                return gone;
        return {};
    }

    Result<> nameless_records()
    {
        for (std::uint32_t number = 0; number < records_.words.size(); ++number)
            if (records_.words[number] != 0 && !ids_.contains(number)) {
                findings_.push_back(fmt::format("service number {}: it has a record and no name", number));
                withdraw(number);
            }
        return {};
    }

    void withdraw(std::uint32_t number)
    {
        if (number >= records_.words.size())
            return;
        records_.publish(number, {});
        adoption_.withdrew = true;
    }

    Result<> source_ranges()
    {
        auto keys = ranges_.keys();
        if (!keys)
            return std::unexpected{keys.error()};
        for (const auto& key : *keys) {
            auto id = ids_.find(key.service);
            auto network = network_of(key);
            if (id != ids_.end() && network) {
                adoption_.contents.tables.services.at(id->second).source_ranges.push_back(*network);
                ++adoption_.contents.ranges;
                continue;
            }
            if (!unfinished_.contains(key.service))
                findings_.push_back(fmt::format("source range of service number {}: {}", key.service,
                                                network ? "there is no such service" : "it cannot be read"));
            if (auto gone = ranges_.erase(key); !gone)
                return gone;
        }
        for (auto& [id, row] : adoption_.contents.tables.services)
            std::ranges::sort(row.source_ranges);
        return {};
    }

    Result<> frontends()
    {
        std::vector<std::pair<lb_frontend_key, lb_frontend>> rows;
        auto read =
            frontends_.for_each([&](const auto& key, const auto& row) { rows.emplace_back(key, row); });
        if (!read)
            return read;
        for (const auto& [raw_key, raw] : rows)
            if (auto done = take_frontend(raw_key, raw); !done)
                return done;
        return {};
    }

    Result<> take_frontend(const lb_frontend_key& raw_key, const lb_frontend& raw)
    {
        auto key = from_raw(raw_key);
        if (key && is_tombstone(raw))
            return {};
        auto row = key ? from_raw(*key, raw) : std::nullopt;
        if (!row) {
            findings_.push_back(
                fmt::format("frontend {}: it cannot be read", key ? key->text() : "with a broken key"));
            return frontends_.erase(raw_key);
        }
        for (auto number : {raw.inside, raw.outside})
            if (number != 0 && !ids_.contains(number)) {
                findings_.push_back(fmt::format("frontend {}: it names service number {}, which is not there",
                                                key->text(), number));
                auto rest = tombstone(*key, *row);
                return rest ? frontends_.put(raw_key, *rest) : frontends_.erase(raw_key);
            }
        row->inside = name(raw.inside);
        row->outside = name(raw.outside);
        adoption_.contents.tables.frontends.emplace(*key, std::move(*row));
        return {};
    }

    /// Counts the frontend side, too.
    std::optional<ServiceId> name(std::uint32_t number)
    {
        if (number == 0)
            return std::nullopt;
        const auto& id = ids_.at(number);
        ++adoption_.contents.held.at(id).frontends;
        return id;
    }

    Result<> generations()
    {
        auto node = node_.get(0);
        if (!node)
            return std::unexpected{node.error()};
        auto next = *node ? (*node)->next_generation : 0;
        // A counter that fell behind would give old flows to new backends. After 2^32 generations it is
        // behind rightly, hence the distance instead of the order.
        if (next == 0 || static_cast<std::int32_t>(highest_generation_ - next) >= 0) {
            if (highest_generation_ != 0)
                findings_.push_back(fmt::format("lb_node: its next generation is {}, but {} is in use", next,
                                                highest_generation_));
            next = highest_generation_ + 1;
        }
        adoption_.contents.generations = Generations{next};
        return {};
    }

    Table<std::uint32_t, lb_service_name> names_;
    Table<lb_frontend_key, lb_frontend> frontends_;
    Table<lb_range_key, std::uint32_t> ranges_;
    Table<std::uint32_t, lb_node> node_;
    LazyMapping& arena_;
    const Records& records_;
    std::vector<std::string>& findings_;
    Adoption adoption_;
    std::map<std::uint32_t, ServiceId> ids_; ///< adopted ones
    std::set<std::uint32_t> unfinished_;
    std::uint32_t highest_generation_ = 0;
};

} // namespace

Result<Adoption> adopt(const Maps& maps, LazyMapping& arena, const Records& records,
                       std::vector<std::string>& findings)
{
    return Reader{maps, arena, records, findings}.run();
}

} // namespace naru
