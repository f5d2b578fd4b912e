#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "builders.hpp"
#include "model/layout.hpp"

using namespace naru;
using namespace naru::test;

namespace {

constexpr std::uint32_t seed = LB_DEFAULT_SEED;

/// A list like `backends`, after `edit` has changed it as a vector.
template <class Edit>
Backends edited(const Backends& backends, Edit edit)
{
    std::vector<Backend> list{backends.begin(), backends.end()};
    edit(list);
    return list;
}

ServiceRow row_of(std::vector<const char*> backends)
{
    std::vector<Backend> list;
    for (const auto* text : backends)
        list.push_back({.at = at(text), .chosen = true, .serving = true});
    std::ranges::sort(list);
    ServiceRow row;
    row.backends = list;
    return row;
}

std::string text(const Block& block)
{
    std::string out;
    for (const auto& row : block.rows) {
        out += out.empty() ? "" : " ";
        if (row.generation == 0)
            out += "vacant";
        else
            out += SocketAddress{Address::from(row.addr), Port::from(row.port)}.text() + '#' +
                   std::to_string(row.generation);
    }
    return out;
}

lb_service record_of(const Block& block)
{
    return {.block = LB_BLOCK_ALIGN,
            .rows = static_cast<std::uint16_t>(block.rows.size()),
            .slots = static_cast<std::uint16_t>(block.slots.size())};
}

std::optional<Block> decode_with(const Block& block, std::size_t offset, std::uint8_t byte)
{
    auto bytes = encode(block, 7);
    bytes.at(offset) = std::byte{byte};
    return decode(bytes, 7, record_of(block));
}

/// Backend -> position and generation.
using Places = std::map<SocketAddress, std::pair<std::size_t, std::uint32_t>>;

Places places(const Block& block)
{
    Places out;
    for (std::size_t i = 0; i < block.rows.size(); ++i)
        if (const auto& row = block.rows[i]; row.generation != 0)
            out[{Address::from(row.addr), Port::from(row.port)}] = {i, row.generation};
    return out;
}

ServiceRow random_row()
{
    std::vector<Backend> list;
    for (std::uint8_t member = 0; member < 24; ++member) {
        if (*rc::gen::inRange(0, 2) == 0)
            continue;
        Backend backend{.at = at("10.0.0.0:80"), .serving = true};
        backend.at.address.bytes[15] = member;
        backend.chosen = *rc::gen::arbitrary<bool>();
        list.push_back(backend);
    }
    ServiceRow row;
    row.backends = list;
    return row;
}

} // namespace

TEST_CASE("backends take positions in order, each with a generation of its own", "[layout]")
{
    Generations generations{5};
    auto block = place(nullptr, row_of({"10.0.0.2:80", "10.0.0.1:80"}), generations, seed);
    REQUIRE(block);
    CHECK(text(*block) == "10.0.0.1:80#5 10.0.0.2:80#6");
    CHECK(generations.next() == 7);
    CHECK(block->slots.size() == 61);
}

TEST_CASE("survivors stay, leavers leave a hole, newcomers fill it with a fresh generation", "[layout]")
{
    Generations generations{1};
    auto first = place(nullptr, row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}), generations, seed);
    auto second = place(&*first, row_of({"10.0.0.1:80", "10.0.0.3:80"}), generations, seed);
    CHECK(text(*second) == "10.0.0.1:80#1 vacant 10.0.0.3:80#3");
    auto third = place(&*second, row_of({"10.0.0.0:80", "10.0.0.3:80", "10.0.0.4:80"}), generations, seed);
    CHECK(text(*third) == "10.0.0.0:80#4 10.0.0.4:80#5 10.0.0.3:80#3");
    auto back = place(&*second, row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}), generations, seed);
    CHECK(text(*back) == "10.0.0.1:80#1 10.0.0.2:80#6 10.0.0.3:80#3");
}

TEST_CASE("vacant rows at the end are cut off", "[layout]")
{
    Generations generations{1};
    auto first = place(nullptr, row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"}), generations, seed);
    CHECK(text(*place(&*first, row_of({"10.0.0.1:80"}), generations, seed)) == "10.0.0.1:80#1");
    auto none = place(&*first, row_of({}), generations, seed);
    CHECK(none->rows.empty());
    CHECK(none->slots.empty());
}

TEST_CASE("another port on one address is another backend", "[layout]")
{
    Generations generations{1};
    auto first = place(nullptr, row_of({"10.0.0.1:80"}), generations, seed);
    CHECK(text(*place(&*first, row_of({"10.0.0.1:81"}), generations, seed)) == "10.0.0.1:81#2");
}

TEST_CASE("slots name chosen backends only, but all serving ones size the table", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"});
    row.backends = edited(row.backends, [](auto& list) {
        list[0].chosen = false;
        list[0].terminating = true;
        list[1].local = true;
    });
    auto block = place(nullptr, row, generations, seed);
    CHECK(block->slots.size() == 127);
    CHECK(std::set(block->slots.begin(), block->slots.end()) == std::set<std::uint16_t>{1, 2});
    CHECK(block->rows[0].flags == (LB_BACKEND_SERVING | LB_BACKEND_TERMINATING));
    CHECK(block->rows[1].flags == (LB_BACKEND_CHOSEN | LB_BACKEND_SERVING | LB_BACKEND_LOCAL));

    row.backends = edited(row.backends, [](auto& list) {
        for (auto& backend : list)
            backend.chosen = false;
    });
    CHECK(place(&*block, row, generations, seed)->slots.empty());
}

TEST_CASE("a change of flags keeps position and generation", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:80"});
    auto first = place(nullptr, row, generations, seed);
    row.backends = edited(row.backends, [](auto& list) { list[0].chosen = false; });
    auto second = place(&*first, row, generations, seed);
    CHECK(text(*second) == text(*first));
    CHECK_FALSE(*second == *first);
}

TEST_CASE("affinity has an epoch, fresh whenever it is switched on", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80"});
    row.affinity_timeout_sec = 10;
    auto on = place(nullptr, row, generations, seed);
    CHECK(on->affinity_epoch != 0);
    CHECK(on->affinity_timeout_sec == 10);

    row.affinity_timeout_sec = 20;
    CHECK(place(&*on, row, generations, seed)->affinity_epoch == on->affinity_epoch);

    row.affinity_timeout_sec = 0;
    auto off = place(&*on, row, generations, seed);
    row.affinity_timeout_sec = 10;
    auto again = place(&*off, row, generations, seed);
    CHECK(again->affinity_epoch > on->affinity_epoch);
}

TEST_CASE("the same row over what is installed is nothing to publish", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:80"});
    row.affinity_timeout_sec = 10;
    row.drop_if_empty = true;
    auto block = place(nullptr, row, generations, seed);
    CHECK(block->flags == LB_SERVICE_DROP_IF_EMPTY);
    auto next = generations.next();
    CHECK(*place(&*block, row, generations, seed) == *block);
    CHECK(generations.next() == next);
}

TEST_CASE("more backends than rows exist are refused", "[layout]")
{
    Generations generations{1};
    std::vector<Backend> list;
    for (unsigned i = 0; i < LB_MAX_ROWS + 1; ++i) {
        Backend backend{.at = at("10.0.0.0:80")};
        backend.at.address.bytes[14] = static_cast<std::uint8_t>(i >> 8);
        backend.at.address.bytes[15] = static_cast<std::uint8_t>(i);
        backend.at.port = {static_cast<std::uint16_t>(80 + (i >> 16))};
        list.push_back(backend);
    }
    ServiceRow row;
    row.backends = list;
    CHECK_FALSE(place(nullptr, row, generations, seed));
    list.pop_back();
    row.backends = list;
    CHECK(place(nullptr, row, generations, seed)->rows.size() == LB_MAX_ROWS);
}

TEST_CASE("generations never give out 0", "[layout]")
{
    CHECK(Generations{0}.take() == 1);
    Generations last{UINT32_MAX};
    CHECK(last.take() == UINT32_MAX);
    CHECK(last.take() == 1);
}

TEST_CASE("a block is header, rows, slots and zeros", "[layout]")
{
    Generations generations{9};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:8080"});
    row.affinity_timeout_sec = 7;
    row.drop_if_empty = true;
    row.algorithm = LB_ALGORITHM_SH;
    auto block = place(nullptr, row, generations, seed);
    auto bytes = encode(*block, 0x01020304);
    REQUIRE(bytes.size() == 32 + 2 * 32 + 128); // 61 slots are 122 bytes
    REQUIRE(bytes.size() == block->bytes());

    lb_block header;
    std::memcpy(&header, bytes.data(), sizeof header);
    CHECK(header.service == 0x01020304);
    CHECK(header.rows == 2);
    CHECK(header.slots == 61);
    CHECK(header.affinity_timeout_sec == 7);
    CHECK(header.affinity_epoch == 9);
    CHECK(header.flags == LB_SERVICE_DROP_IF_EMPTY);
    CHECK(header.algorithm == LB_ALGORITHM_SH);
    lb_backend second;
    std::memcpy(&second, bytes.data() + 64, sizeof second);
    CHECK(second.addr.bytes[15] == 2);
    CHECK(second.port == __builtin_bswap16(8080));
    CHECK(second.generation == 11);
    CHECK(second.weight == 1);
    std::uint16_t last_slot;
    std::memcpy(&last_slot, bytes.data() + 96 + 120, sizeof last_slot);
    CHECK(last_slot == block->slots.back());
    CHECK(std::all_of(bytes.begin() + 96 + 122, bytes.end(), [](std::byte b) { return b == std::byte{0}; }));
}

TEST_CASE("a block that contradicts itself is not read", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"});
    auto full = place(nullptr, row, generations, seed);
    row.backends = edited(row.backends, [](auto& list) {
        list.erase(list.begin() + 1);
        list[0].chosen = false;
    });
    auto block = place(&*full, row, generations, seed); // position 1 vacant, 0 not chosen
    auto bytes = encode(*block, 7);
    REQUIRE(decode(bytes, 7, record_of(*block)) == *block);

    CHECK_FALSE(decode(bytes, 8, record_of(*block)));
    CHECK_FALSE(decode(std::span{bytes}.first(bytes.size() - LB_BLOCK_ALIGN), 7, record_of(*block)));
    auto record = record_of(*block);
    record.rows = 2;
    CHECK_FALSE(decode(bytes, 7, record));
    record = record_of(*block);
    record.slots = 127;
    CHECK_FALSE(decode(bytes, 7, record));
    CHECK_FALSE(decode(bytes, 7, {.block = 32, .rows = 40000, .slots = 1}));

    constexpr std::size_t rows = sizeof(lb_block), slots = rows + 3 * sizeof(lb_backend);
    auto second = rows + sizeof(lb_backend), third = second + sizeof(lb_backend);
    CHECK_FALSE(decode_with(*block, offsetof(lb_block, flags) + 1, 0x80));         // unknown flag
    CHECK_FALSE(decode_with(*block, offsetof(lb_block, pad), 1));                  // padding
    CHECK_FALSE(decode_with(*block, second, 1));                                   // vacant, yet not zero
    CHECK_FALSE(decode_with(*block, third + offsetof(lb_backend, flags), 0xff));   // unknown flag
    CHECK_FALSE(decode_with(*block, third + offsetof(lb_backend, generation), 0)); // last row vacant
    CHECK_FALSE(decode_with(*block, third + 15, 1)); // the first backend once more
    CHECK_FALSE(decode_with(*block, slots, 0));      // names a row that is not chosen
    CHECK_FALSE(decode_with(*block, slots, 1));      // names a vacant row
    CHECK_FALSE(decode_with(*block, slots, 3));      // names no row
    CHECK(decode_with(*block, slots, 2));
}

TEST_CASE("rows of this node are a list where packets may come encapsulated, and only there", "[layout]")
{
    Generations generations{1};
    auto row = row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80"});
    row.backends = edited(row.backends, [](auto& list) { list[1].local = list[3].local = true; });
    auto plain = place(nullptr, row, generations, seed);
    CHECK(plain->first_local == 0);
    CHECK(plain->rows[1].next_local == 0);

    row.forwarding = Forwarding::dsr;
    auto block = place(&*plain, row, generations, seed);
    CHECK(forwarding_of(*block) == Forwarding::dsr);
    CHECK(block->first_local == 2);
    CHECK(block->rows[1].next_local == 4);
    CHECK(block->rows[3].next_local == 0);
    CHECK_FALSE(*block == *plain);
    auto bytes = encode(*block, 7);
    CHECK(decode(bytes, 7, record_of(*block)) == *block);
    constexpr std::size_t rows = sizeof(lb_block);
    CHECK_FALSE(decode_with(*block, offsetof(lb_block, first_local), 4)); // skips one
    CHECK_FALSE(
        decode_with(*block, rows + sizeof(lb_backend) + offsetof(lb_backend, next_local), 2)); // itself
    CHECK_FALSE(
        decode_with(*block, rows + offsetof(lb_backend, next_local), 4)); // from a row that is not in it

    row.forwarding = Forwarding::shared_address;
    auto shared = place(&*block, row, generations, seed);
    CHECK(forwarding_of(*shared) == Forwarding::shared_address);
    CHECK(shared->first_local == 0);
}

TEST_CASE("a service without backends is a header", "[layout]")
{
    Generations generations{1};
    auto block = place(nullptr, {}, generations, seed);
    auto bytes = encode(*block, 7);
    CHECK(bytes.size() == sizeof(lb_block));
    CHECK(decode(bytes, 7, record_of(*block)) == *block);
}

TEST_CASE("positions and generations hold over random histories", "[layout]")
{
    rc::prop("a survivor stays where it is and no generation is used twice", [] {
        Generations generations{1};
        std::optional<Block> installed;
        std::set<std::uint32_t> used;
        auto steps = *rc::gen::inRange(1, 12);
        for (int step = 0; step < steps; ++step) {
            auto row = random_row();
            auto block = place(installed ? &*installed : nullptr, row, generations, seed);
            RC_ASSERT(block.has_value());

            auto before = installed ? places(*installed) : Places{};
            auto now = places(*block);
            RC_ASSERT(now.size() == row.backends.size());
            for (const auto& [who, place] : now) {
                if (auto old = before.find(who); old != before.end())
                    RC_ASSERT(place == old->second);
                else
                    RC_ASSERT(used.insert(place.second).second);
            }
            bool ends_vacant = !block->rows.empty() && block->rows.back().generation == 0;
            RC_ASSERT(!ends_vacant);
            RC_ASSERT(block->rows.size() <=
                      std::max(row.backends.size(), installed ? installed->rows.size() : 0));
            RC_ASSERT(decode(encode(*block, 3), 3, record_of(*block)) == block);
            installed = std::move(block);
        }
    });
}

TEST_CASE("a backend sits at one place in both sets of its Service port", "[layout]")
{
    Generations generations{1};
    auto three = row_of({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80"});
    auto cluster = place(nullptr, three, generations, seed);
    cluster = place(&*cluster, row_of({"10.0.0.1:80", "10.0.0.3:80"}), generations, seed);
    auto local = place(nullptr, row_of({"10.0.0.1:80", "10.0.0.3:80"}), generations, seed, &*cluster);
    CHECK(text(*local) == "10.0.0.1:80#1 vacant 10.0.0.3:80#3");
    CHECK(generations.next() == 4);

    auto next = row_of({"10.0.0.1:80", "10.0.0.4:80"});
    cluster = place(&*cluster, next, generations, seed, &*local);
    CHECK(text(*cluster) == "10.0.0.1:80#1 10.0.0.4:80#4");
    local = place(&*local, next, generations, seed, &*cluster);
    CHECK(text(*local) == text(*cluster));
}

TEST_CASE("who comes back into one set while the other still has it gets its place back", "[layout]")
{
    Generations generations{1};
    auto two = row_of({"10.0.0.1:80", "10.0.0.2:80"});
    auto cluster = place(nullptr, two, generations, seed);
    auto local = place(nullptr, two, generations, seed, &*cluster);
    cluster = place(&*cluster, row_of({"10.0.0.2:80", "10.0.0.3:80"}), generations, seed, &*local);
    CHECK(text(*cluster) == "vacant 10.0.0.2:80#2 10.0.0.3:80#3"); // the local set still has the first there
    cluster = place(&*cluster, two, generations, seed, &*local);
    CHECK(text(*cluster) == "10.0.0.1:80#1 10.0.0.2:80#2");
}

TEST_CASE("a full set takes the places it needs, whatever its sibling has there", "[layout]")
{
    Generations generations{1};
    auto sibling = place(nullptr, row_of({"10.0.0.1:80"}), generations, seed);
    std::vector<Backend> list;
    for (std::uint32_t i = 0; i < LB_MAX_ROWS; ++i) {
        Backend backend{.at = at("10.1.0.0:80"), .serving = true};
        backend.at.address.bytes[14] = static_cast<std::uint8_t>(i >> 8);
        backend.at.address.bytes[15] = static_cast<std::uint8_t>(i);
        list.push_back(backend);
    }
    ServiceRow full;
    full.backends = list;
    CHECK(place(nullptr, full, generations, seed, &*sibling)->rows.size() == LB_MAX_ROWS);
}

TEST_CASE("the sets of a Service port agree over random histories in which either may miss a change",
          "[layout]")
{
    rc::prop("one backend, one place; one place, one backend", [] {
        Generations generations{1};
        std::optional<Block> cluster, local;
        auto installed = [](const auto& block) { return block ? &*block : nullptr; };
        auto steps = *rc::gen::inRange(1, 16);
        for (int step = 0; step < steps; ++step) {
            auto row = random_row();
            if (*rc::gen::inRange(0, 4) != 0)
                cluster = place(installed(cluster), row, generations, seed, installed(local));
            auto fate = *rc::gen::inRange(0, 5);
            if (fate == 0)
                local.reset();
            else if (fate != 1)
                local = place(installed(local), row, generations, seed, installed(cluster));
            if (!cluster || !local)
                continue;
            auto here = places(*cluster), there = places(*local);
            std::map<std::size_t, std::uint32_t> generation_at;
            for (const auto& [who, place] : here) {
                generation_at.emplace(place.first, place.second);
                if (auto other = there.find(who); other != there.end())
                    RC_ASSERT(other->second == place);
            }
            for (const auto& [who, place] : there)
                if (auto other = generation_at.find(place.first); other != generation_at.end())
                    RC_ASSERT(other->second == place.second);
        }
    });
}
