#include "layout.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

namespace naru {

namespace {

static_assert(sizeof(lb_block) == LB_BLOCK_ALIGN && sizeof(lb_backend) == LB_BLOCK_ALIGN);

constexpr std::uint32_t known_backend_flags =
    LB_BACKEND_CHOSEN | LB_BACKEND_SERVING | LB_BACKEND_LOCAL | LB_BACKEND_TERMINATING;
constexpr std::uint32_t known_service_flags =
    LB_SERVICE_DROP_IF_EMPTY | LB_SERVICE_DSR | LB_SERVICE_DSR_SHARED;
constexpr std::uint8_t last_algorithm = LB_ALGORITHM_NQ;

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
            .weight = backend.weight,
            .pad = {},
            .next_local = 0};
}

std::uint16_t flags_of(const ServiceRow& row)
{
    return static_cast<std::uint16_t>(
        (row.drop_if_empty ? LB_SERVICE_DROP_IF_EMPTY : 0) |
        (row.forwarding == Forwarding::dsr ? LB_SERVICE_DSR : 0) |
        (row.forwarding == Forwarding::shared_address ? LB_SERVICE_DSR_SHARED : 0));
}

/// What comes encapsulated names a backend of this node by its address: such rows are a list, so that a
/// program finds them among however many others. Returns where it begins.
std::uint16_t link_local_rows(std::vector<lb_backend>& rows)
{
    std::uint16_t next = 0;
    for (auto at = rows.size(); at-- > 0;)
        if (rows[at].flags & LB_BACKEND_LOCAL) {
            rows[at].next_local = next;
            next = static_cast<std::uint16_t>(at + 1);
        }
    return next;
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

/// Where the backends of a row are in a block; nowhere: it is not in it. Both are sorted.
std::vector<std::uint16_t> found_in(const Block* block, std::span<const Backend> backends)
{
    std::vector<std::uint16_t> at_row(backends.size(), nowhere);
    auto rows = occupied(block);
    auto next = rows.begin();
    for (std::size_t i = 0; i < backends.size(); ++i) {
        while (next != rows.end() && next->first < backends[i].at)
            ++next;
        if (next != rows.end() && next->first == backends[i].at)
            at_row[i] = next->second;
    }
    return at_row;
}

/// A backend's place; without a generation it needs a fresh one.
struct Seat {
    std::uint16_t position = nowhere;
    std::uint32_t generation = 0;
};

/// Survivors stay. Who is in the sibling sits where it sits there. Others take the lowest free positions,
/// those that are vacant in the sibling first, so that it can follow.
std::vector<Seat> seats(const Block* installed, const Block* sibling, std::span<const Backend> backends)
{
    std::vector<Seat> given(backends.size());
    auto rows_of = [](const Block* block) { return block ? block->rows.size() : 0; };
    std::vector<bool> taken(rows_of(installed) + rows_of(sibling) + backends.size());
    for (const auto* block : {installed, sibling}) {
        if (!block)
            continue;
        auto known = found_in(block, backends);
        for (std::size_t i = 0; i < given.size(); ++i) {
            if (given[i].position != nowhere || known[i] == nowhere || taken[known[i]])
                continue;
            given[i] = {known[i], block->rows[known[i]].generation};
            taken[known[i]] = true;
        }
    }
    auto kept_free = [&](std::size_t position) {
        return sibling && position < sibling->rows.size() && !is_vacant(sibling->rows[position]) &&
               backends.size() + sibling->rows.size() <= LB_MAX_ROWS;
    };
    std::size_t free = 0;
    for (auto& seat : given) {
        if (seat.position != nowhere)
            continue;
        while (taken[free] || kept_free(free))
            ++free;
        seat.position = static_cast<std::uint16_t>(free++);
    }
    return given;
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
                      .algorithm = std::min<std::uint8_t>(header.algorithm, last_algorithm),
                      .pad = {},
                      .first_local = header.first_local};
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
                        .pad = {},
                        .next_local = row.next_local};
    return same_bytes(row, expected);
}

bool rows_hold(const Block& block)
{
    if (!std::ranges::all_of(block.rows, row_holds) || (!block.rows.empty() && is_vacant(block.rows.back())))
        return false;
    auto rows = occupied(&block);
    return std::ranges::adjacent_find(rows, {}, &Occupied::value_type::first) == rows.end();
}

bool links_hold(const Block& block)
{
    auto rows = block.rows;
    for (auto& row : rows)
        row.next_local = 0;
    const auto first = block.flags & LB_SERVICE_DSR ? link_local_rows(rows) : std::uint16_t{0};
    return first == block.first_local && std::ranges::equal(rows, block.rows, same_bytes<lb_backend>);
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

Forwarding forwarding_of(const Block& block)
{
    if (block.flags & LB_SERVICE_DSR)
        return Forwarding::dsr;
    return block.flags & LB_SERVICE_DSR_SHARED ? Forwarding::shared_address : Forwarding::snat;
}

bool operator==(const Block& a, const Block& b)
{
    return a.flags == b.flags && a.algorithm == b.algorithm && a.first_local == b.first_local &&
           a.affinity_timeout_sec == b.affinity_timeout_sec && a.affinity_epoch == b.affinity_epoch &&
           a.slots == b.slots && std::ranges::equal(a.rows, b.rows, same_bytes<lb_backend>);
}

std::optional<Block> place(const Block* installed, const ServiceRow& row, Generations& generations,
                           std::uint32_t seed, const Block* sibling)
{
    if (row.backends.size() > LB_MAX_ROWS)
        return std::nullopt;

    Block block;
    block.flags = flags_of(row);
    block.algorithm = row.algorithm;
    block.affinity_timeout_sec = row.affinity_timeout_sec;
    if (row.affinity_timeout_sec)
        block.affinity_epoch =
            installed && installed->affinity_timeout_sec ? installed->affinity_epoch : generations.take();

    auto to = seats(installed, sibling, row.backends);
    block.rows.resize(to.empty() ? 0 : 1u + std::ranges::max(to, {}, &Seat::position).position);
    std::vector<Weighted> chosen;
    chosen.reserve(row.backends.size());
    for (std::size_t i = 0; i < to.size(); ++i) {
        const auto& backend = row.backends[i];
        const auto& seat = to[i];
        block.rows[seat.position] = to_row(backend, seat.generation ? seat.generation : generations.take());
        if (backend.chosen)
            chosen.push_back({.at = backend.at, .weight = backend.weight, .position = seat.position});
    }
    if (block.flags & LB_SERVICE_DSR)
        block.first_local = link_local_rows(block.rows);
    block.slots = slots_for(row.algorithm, chosen, row.backends.size(), seed);
    return block;
}

std::vector<std::byte> encode(const Block& block, std::uint32_t service_number)
{
    std::vector<std::byte> bytes(block.bytes());
    encode(block, service_number, bytes);
    return bytes;
}

void encode(const Block& block, std::uint32_t service_number, std::span<std::byte> into)
{
    auto put = [&](const void* from, std::size_t size) {
        if (size)
            std::memcpy(into.data(), from, size);
        into = into.subspan(size);
    };
    lb_block header{.service = service_number,
                    .rows = static_cast<std::uint16_t>(block.rows.size()),
                    .slots = static_cast<std::uint16_t>(block.slots.size()),
                    .affinity_timeout_sec = block.affinity_timeout_sec,
                    .affinity_epoch = block.affinity_epoch,
                    .flags = block.flags,
                    .algorithm = static_cast<std::uint8_t>(block.algorithm),
                    .pad = {},
                    .first_local = block.first_local};
    put(&header, sizeof header);
    put(block.rows.data(), block.rows.size() * sizeof(lb_backend));
    put(block.slots.data(), block.slots.size() * sizeof(std::uint16_t));
    std::ranges::fill(into, std::byte{});
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
                .flags = header.flags,
                .algorithm = static_cast<lb_algorithm>(header.algorithm),
                .first_local = header.first_local};
    reader.read(block.rows.data(), block.rows.size());
    reader.read(block.slots.data(), block.slots.size());
    if (!rows_hold(block) || !links_hold(block) || !slots_hold(block))
        return std::nullopt;
    return block;
}

} // namespace naru
