#include "layout.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace naru {

namespace {

static_assert(sizeof(lb_block) == LB_BLOCK_ALIGN && sizeof(lb_backend) == LB_BLOCK_ALIGN);

constexpr std::uint32_t known_backend_flags =
    LB_BACKEND_CHOSEN | LB_BACKEND_SERVING | LB_BACKEND_LOCAL | LB_BACKEND_TERMINATING;
constexpr std::uint32_t known_service_flags = LB_SERVICE_DROP_IF_EMPTY;

template <class Raw>
bool same_bytes(const Raw& a, const Raw& b)
{
    return std::memcmp(&a, &b, sizeof(Raw)) == 0;
}

bool is_vacant(const lb_backend& row) { return row.generation == 0; }

SocketAddress at(const lb_backend& row) { return {Address::from(row.addr), Port::from(row.port)}; }

std::uint16_t flags_of(const Backend& backend)
{
    return static_cast<std::uint16_t>(
        (backend.chosen ? LB_BACKEND_CHOSEN : 0) | (backend.serving ? LB_BACKEND_SERVING : 0) |
        (backend.local ? LB_BACKEND_LOCAL : 0) | (backend.terminating ? LB_BACKEND_TERMINATING : 0));
}

lb_backend to_row(const Backend& backend, std::uint32_t generation)
{
    return {.addr = backend.at.address.raw(),
            .port = backend.at.port.raw(),
            .flags = flags_of(backend),
            .generation = generation,
            .weight = 1,
            .pad = {}};
}

using Occupied = std::vector<std::pair<SocketAddress, std::uint16_t>>;

/// Sorted by address, as the backends of a ServiceRow are.
Occupied occupied(const Block* installed)
{
    Occupied rows;
    if (!installed)
        return rows;
    for (std::size_t i = 0; i < installed->rows.size(); ++i)
        if (!is_vacant(installed->rows[i]))
            rows.emplace_back(at(installed->rows[i]), static_cast<std::uint16_t>(i));
    std::ranges::sort(rows);
    return rows;
}

constexpr std::uint16_t nowhere = std::numeric_limits<std::uint16_t>::max();

/// Where every backend goes: survivors stay, others take the lowest free positions.
std::vector<std::uint16_t> positions(const Block* installed, const std::vector<Backend>& backends)
{
    std::vector<std::uint16_t> to(backends.size(), nowhere);
    std::vector<bool> taken(std::max(backends.size(), installed ? installed->rows.size() : 0));
    auto old = occupied(installed);
    auto next = old.begin();
    for (std::size_t i = 0; i < backends.size(); ++i) {
        while (next != old.end() && next->first < backends[i].at)
            ++next;
        if (next == old.end() || next->first != backends[i].at)
            continue;
        to[i] = next->second;
        taken[next->second] = true;
    }
    std::uint16_t free = 0;
    for (auto& position : to) {
        if (position != nowhere)
            continue;
        while (taken[free])
            ++free;
        position = free++;
    }
    return to;
}

/// Read side of a block's parts: copies, since the bytes need not be aligned.
class Reader {
public:
    explicit Reader(std::span<const std::byte> bytes) : bytes_{bytes} {}

    template <class Raw>
    void read(Raw* into, std::size_t count)
    {
        if (count == 0)
            return;
        std::memcpy(into, bytes_.data(), count * sizeof(Raw));
        bytes_ = bytes_.subspan(count * sizeof(Raw));
    }

private:
    std::span<const std::byte> bytes_;
};

bool header_holds(const lb_block& header, std::uint32_t service_number, lb_service record)
{
    lb_block expected{.service = service_number,
                      .rows = record.rows,
                      .slots = record.slots,
                      .affinity_timeout_sec = header.affinity_timeout_sec,
                      .affinity_epoch = header.affinity_epoch,
                      .flags = static_cast<std::uint16_t>(header.flags & known_service_flags),
                      .pad = {}};
    return same_bytes(header, expected);
}

bool row_holds(const lb_backend& row)
{
    if (is_vacant(row))
        return same_bytes(row, lb_backend{});
    lb_backend expected{.addr = row.addr,
                        .port = row.port,
                        .flags = static_cast<std::uint16_t>(row.flags & known_backend_flags),
                        .generation = row.generation,
                        .weight = row.weight,
                        .pad = {}};
    return same_bytes(row, expected);
}

bool rows_hold(const Block& block)
{
    if (!std::ranges::all_of(block.rows, row_holds) || (!block.rows.empty() && is_vacant(block.rows.back())))
        return false;
    auto rows = occupied(&block);
    return std::ranges::adjacent_find(rows, {}, &Occupied::value_type::first) == rows.end();
}

bool slots_hold(const Block& block)
{
    return std::ranges::all_of(block.slots, [&](std::uint16_t position) {
        return position < block.rows.size() && (block.rows[position].flags & LB_BACKEND_CHOSEN) != 0;
    });
}

} // namespace

std::size_t block_bytes(std::size_t rows, std::size_t slots)
{
    std::size_t bytes = sizeof(lb_block) + rows * sizeof(lb_backend) + slots * sizeof(std::uint16_t);
    return (bytes + LB_BLOCK_ALIGN - 1) / LB_BLOCK_ALIGN * LB_BLOCK_ALIGN;
}

std::size_t Block::bytes() const { return block_bytes(rows.size(), slots.size()); }

bool operator==(const Block& a, const Block& b)
{
    return a.flags == b.flags && a.affinity_timeout_sec == b.affinity_timeout_sec &&
           a.affinity_epoch == b.affinity_epoch && a.slots == b.slots &&
           std::ranges::equal(a.rows, b.rows, same_bytes<lb_backend>);
}

std::optional<Block> place(const Block* installed, const ServiceRow& row, Generations& generations,
                           std::uint32_t seed)
{
    if (row.backends.size() > LB_MAX_ROWS)
        return std::nullopt;

    Block block;
    block.flags = row.drop_if_empty ? LB_SERVICE_DROP_IF_EMPTY : 0;
    block.affinity_timeout_sec = row.affinity_timeout_sec;
    if (row.affinity_timeout_sec)
        block.affinity_epoch =
            installed && installed->affinity_timeout_sec ? installed->affinity_epoch : generations.take();

    auto to = positions(installed, row.backends);
    block.rows.resize(to.empty() ? 0 : 1u + *std::ranges::max_element(to));
    std::vector<MaglevBackend> chosen;
    chosen.reserve(row.backends.size());
    for (std::size_t i = 0; i < to.size(); ++i) {
        const auto& backend = row.backends[i];
        bool survives = installed && to[i] < installed->rows.size() && !is_vacant(installed->rows[to[i]]) &&
                        at(installed->rows[to[i]]) == backend.at;
        block.rows[to[i]] =
            to_row(backend, survives ? installed->rows[to[i]].generation : generations.take());
        if (backend.chosen)
            chosen.push_back({.at = backend.at, .position = to[i]});
    }
    block.slots = maglev_table(chosen, maglev_slots(row.backends.size()), seed);
    return block;
}

std::vector<std::byte> encode(const Block& block, std::uint32_t service_number)
{
    std::vector<std::byte> bytes(block.bytes());
    auto put = [to = bytes.data()](const void* from, std::size_t size) mutable {
        if (size)
            std::memcpy(to, from, size);
        to += size;
    };
    lb_block header{.service = service_number,
                    .rows = static_cast<std::uint16_t>(block.rows.size()),
                    .slots = static_cast<std::uint16_t>(block.slots.size()),
                    .affinity_timeout_sec = block.affinity_timeout_sec,
                    .affinity_epoch = block.affinity_epoch,
                    .flags = block.flags,
                    .pad = {}};
    put(&header, sizeof header);
    put(block.rows.data(), block.rows.size() * sizeof(lb_backend));
    put(block.slots.data(), block.slots.size() * sizeof(std::uint16_t));
    return bytes;
}

std::optional<Block> decode(std::span<const std::byte> bytes, std::uint32_t service_number, lb_service record)
{
    if (record.rows > LB_MAX_ROWS || record.slots > LB_MAX_SLOTS ||
        bytes.size() < block_bytes(record.rows, record.slots))
        return std::nullopt;

    Reader reader{bytes};
    lb_block header;
    reader.read(&header, 1);
    if (!header_holds(header, service_number, record))
        return std::nullopt;

    Block block{.rows = std::vector<lb_backend>(record.rows),
                .slots = std::vector<std::uint16_t>(record.slots),
                .affinity_timeout_sec = header.affinity_timeout_sec,
                .affinity_epoch = header.affinity_epoch,
                .flags = header.flags};
    reader.read(block.rows.data(), block.rows.size());
    reader.read(block.slots.data(), block.slots.size());
    if (!rows_hold(block) || !slots_hold(block))
        return std::nullopt;
    return block;
}

} // namespace naru
