// What the programs are told of devices, written to real maps and read back.
#include <set>

#include "datapath/device_tables.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

struct Written {
    UniqueFd devices = make_map(BPF_MAP_TYPE_HASH, "lb_devices", 4, sizeof(lb_device), 8, BPF_F_NO_PREALLOC);
    UniqueFd own = make_map(BPF_MAP_TYPE_HASH, "lb_own", sizeof(lb_addr), 4, 3, BPF_F_NO_PREALLOC);
    UniqueFd node = make_map(BPF_MAP_TYPE_ARRAY, "lb_node", 4, sizeof(lb_node), 1, 0);
    DeviceTables tables{again(devices), again(own), again(node)};

    lb_node node_row() const { return read<lb_node>(node, std::uint32_t{0}).value(); }

    std::set<std::uint32_t> known() const
    {
        const auto all = keys<std::uint32_t>(devices);
        return {all.begin(), all.end()};
    }

    OwnAddresses owned() const
    {
        OwnAddresses all;
        for (const auto& raw : keys<lb_addr>(own))
            all[Address::from(raw)] = read<std::uint32_t>(own, raw).value();
        return all;
    }

    void keep(const std::map<std::uint32_t, Device>& wanted) const
    {
        std::vector<Error> errors;
        tables.keep_only(wanted, errors);
        CHECK(errors.empty());
    }
};

lb_device row(std::uint32_t flags)
{
    lb_device made{};
    made.flags = flags;
    return made;
}

Device device(bool headerless)
{
    Device made{};
    made.link.headerless = headerless;
    return made;
}

} // namespace

TEST_CASE("a device's row is there when it was put, and gone when the device is not kept", "[device_tables]")
{
    Written maps;
    REQUIRE(maps.tables.put(2, row(LB_DEVICE_UPLINK)));
    REQUIRE(maps.tables.put(3, row(LB_DEVICE_WORKLOAD)));
    REQUIRE(maps.tables.put(3, row(LB_DEVICE_UPLINK)));
    CHECK(maps.tables.get(3).value().value().flags == LB_DEVICE_UPLINK);
    CHECK_FALSE(maps.tables.get(4).value());
    CHECK(maps.known() == std::set<std::uint32_t>{2, 3});
    maps.keep({{3, device(false)}});
    CHECK(maps.known() == std::set<std::uint32_t>{3});
}

TEST_CASE("the programs ask for the kind of each device as long as one has no link layer", "[device_tables]")
{
    Written maps;
    lb_node before{};
    before.next_generation = 77;
    before.primary4 = addr("192.0.2.1").raw();
    write(maps.node, std::uint32_t{0}, before);

    REQUIRE(maps.tables.put(2, row(LB_DEVICE_UPLINK)));
    CHECK(maps.node_row().l3_devices == 0);
    REQUIRE(maps.tables.put(3, row(LB_DEVICE_UPLINK | LB_DEVICE_L3)));
    CHECK(maps.node_row().l3_devices == 1);
    REQUIRE(maps.tables.put(4, row(LB_DEVICE_WORKLOAD)));
    CHECK(maps.node_row().l3_devices == 1);
    maps.keep({{2, device(false)}, {3, device(true)}});
    CHECK(maps.node_row().l3_devices == 1);
    maps.keep({{2, device(false)}});
    CHECK(maps.node_row().l3_devices == 0);

    CHECK(maps.node_row().next_generation == 77);
    CHECK(Address::from(maps.node_row().primary4) == addr("192.0.2.1"));
}

TEST_CASE("the addresses of the node are exactly the last ones told", "[device_tables]")
{
    Written maps;
    const OwnAddresses first{{addr("192.0.2.1"), 2}, {addr("fd00::1"), 2}, {addr("127.0.0.1"), 1}};
    REQUIRE(maps.tables.set_own(first));
    CHECK(maps.owned() == first);
    // The map is full: what is not told any more has to go before what is new finds room.
    const OwnAddresses second{{addr("192.0.2.1"), 5}, {addr("10.0.0.1"), 5}, {addr("127.0.0.1"), 1}};
    REQUIRE(maps.tables.set_own(second));
    CHECK(maps.owned() == second);
    REQUIRE(maps.tables.set_own({}));
    CHECK(maps.owned().empty());
}

TEST_CASE("more addresses than there is room for are an error that names the map", "[device_tables]")
{
    Written maps;
    const OwnAddresses many{
        {addr("10.0.0.1"), 1}, {addr("10.0.0.2"), 1}, {addr("10.0.0.3"), 1}, {addr("10.0.0.4"), 1}};
    const auto set = maps.tables.set_own(many);
    REQUIRE_FALSE(set);
    CHECK_THAT(set.error().message(), Catch::Contains("lb_own"));
    CHECK(maps.owned().size() == 3);
}
