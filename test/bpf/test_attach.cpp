// Programs on hooks: exactly one of ours on each, replaced in place, repaired, and gone when asked to go.
#include <catch2/catch.hpp>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <net/if.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "datapath/attach.hpp"
#include "datapath/clsact.hpp"
#include "datapath/datapath.hpp"
#include "datapath/object_info.hpp"
#include "datapath/pins.hpp"
#include "datapath/probe.hpp"
#include "datapath/tcx.hpp"

using namespace naru;
namespace fs = std::filesystem;

namespace {

const std::map<std::string, bpf_attach_type> cgroup_types{
    {"connect4", BPF_CGROUP_INET4_CONNECT},         {"connect6", BPF_CGROUP_INET6_CONNECT},
    {"sendmsg4", BPF_CGROUP_UDP4_SENDMSG},          {"sendmsg6", BPF_CGROUP_UDP6_SENDMSG},
    {"recvmsg4", BPF_CGROUP_UDP4_RECVMSG},          {"recvmsg6", BPF_CGROUP_UDP6_RECVMSG},
    {"getpeername4", BPF_CGROUP_INET4_GETPEERNAME}, {"getpeername6", BPF_CGROUP_INET6_GETPEERNAME},
    {"sock_release", BPF_CGROUP_INET_SOCK_RELEASE},
};

using Ids = std::vector<std::uint32_t>;

Ids programs_on(int target, bpf_attach_type type)
{
    Ids ids(64);
    auto count = static_cast<std::uint32_t>(ids.size());
    REQUIRE(bpf_prog_query(target, type, 0, nullptr, ids.data(), &count) == 0);
    ids.resize(count);
    return ids;
}

std::uint32_t program_id(int fd) { return object_info<bpf_prog_info>(fd).value().id; }

/// A program that does nothing, and is not naru's or another version of it.
UniqueFd idle_program(bpf_prog_type type, bpf_attach_type expected)
{
    const bpf_insn code[] = {
        {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 1},
        {.code = BPF_JMP | BPF_EXIT, .dst_reg = 0, .src_reg = 0, .off = 0, .imm = 0}};
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = expected);
    UniqueFd program{bpf_prog_load(type, "idle", "Dual BSD/GPL", code, std::size(code), &options)};
    REQUIRE(program);
    return program;
}
UniqueFd idle_tc() { return idle_program(BPF_PROG_TYPE_SCHED_CLS, static_cast<bpf_attach_type>(0)); }

/// Pins, a cgroup and devices of this process alone.
struct Place {
    fs::path pins = "/sys/fs/bpf/naru-test-" + std::to_string(::getpid());
    fs::path cgroup;
    DatapathOptions options;
    std::set<std::string> devices;

    Place()
    {
        auto mount = find_cgroup({});
        REQUIRE(mount);
        cgroup = *mount / ("naru-test-" + std::to_string(::getpid()));
        fs::create_directory(cgroup);
        options.bpf_path = pins;
        options.cgroup_path = cgroup;
        options.arena_bytes = 1u << 20;
    }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;
    ~Place()
    {
        (void)Datapath::cleanup(pins);
        std::error_code ignored;
        fs::remove(cgroup, ignored);
        for (const auto& name : devices)
            run("ip link del " + name + " 2>/dev/null");
    }

    static int run(const std::string& command) { return std::system(command.c_str()); }

    Device add_device(const std::string& name, std::uint32_t index = 0)
    {
        auto number = index ? " index " + std::to_string(index) : std::string{};
        REQUIRE(run("ip link add " + name + number + " type veth peer name " + name + "p && ip link set " +
                    name + " up && ip addr add 192.0.2.1/24 dev " + name) == 0);
        devices.insert(name);
        Device device;
        device.link.index = ::if_nametoindex(name.c_str());
        device.link.name = name;
        device.link.kind = "veth";
        device.link.addresses = {*Address::parse("192.0.2.1")};
        device.role = DeviceRole::uplink;
        return device;
    }
    void delete_device(const std::string& name) { REQUIRE(run("ip link del " + name) == 0); }

    Datapath open()
    {
        auto opened = Datapath::open(options);
        INFO((opened ? "" : opened.error().message()));
        REQUIRE(opened);
        return std::move(*opened);
    }

    Ids on_cgroup(const std::string& hook) const
    {
        UniqueFd folder{::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY)};
        return programs_on(folder.get(), cgroup_types.at(hook));
    }
    static Ids on_device(const std::string& hook, std::uint32_t index)
    {
        return programs_on(static_cast<int>(index), hook == "tc_ingress" ? tcx_ingress : tcx_egress);
    }
    static Ids xdp_on_device(std::uint32_t index)
    {
        std::uint32_t id = 0;
        REQUIRE(bpf_xdp_query_id(static_cast<int>(index), 0, &id) == 0);
        return id ? Ids{id} : Ids{};
    }
    std::uint32_t pinned_program(const std::string& name) const
    {
        return program_id(open_pin(pins / "v1" / "progs" / name).value().get());
    }
    std::uint32_t link_id(const std::string& name) const
    {
        return object_info<bpf_link_info>(open_pin(pins / "v1" / "links" / name).value().get()).value().id;
    }
};

std::map<std::uint32_t, Device> only(const Device& device) { return {{device.link.index, device}}; }

template <class... Devices>
std::map<std::uint32_t, Device> these(const Devices&... each)
{
    return {{each.link.index, each}...};
}

} // namespace

TEST_CASE("a second start replaces every program in place and never adds a copy", "[attach]")
{
    Place place;
    auto uplink = place.add_device("nt0");
    std::map<std::string, std::uint32_t> links, programs;
    auto look = [&](auto compare) {
        for (const auto& [hook, type] : cgroup_types) {
            INFO(hook);
            CHECK(place.on_cgroup(hook) == Ids{place.pinned_program(hook)});
            compare(hook, place.link_id(hook), place.pinned_program(hook));
        }
        for (const std::string hook : {"tc_ingress", "tc_egress"}) {
            INFO(hook);
            CHECK(Place::on_device(hook, uplink.link.index) == Ids{place.pinned_program(hook)});
            compare(hook, place.link_id(hook + "-" + std::to_string(uplink.link.index)),
                    place.pinned_program(hook));
        }
    };
    {
        auto first = place.open();
        REQUIRE(first.attach_sockets());
        REQUIRE(first.set_devices(only(uplink)).empty());
        look([&](const auto& hook, auto link, auto program) {
            links[hook] = link;
            programs[hook] = program;
        });
        CHECK(first.attachments().size() == 11);
        // Again without a change: nothing is done.
        REQUIRE(first.attach_sockets());
        REQUIRE(first.set_devices(only(uplink)).empty());
        look([&](const auto& hook, auto link, auto program) {
            CHECK(links[hook] == link);
            CHECK(programs[hook] == program);
        });
    }
    auto second = place.open();
    look([&](const auto& hook, auto link, auto program) {
        CHECK(links[hook] == link);
        CHECK(programs[hook] != program);
    });
    REQUIRE(second.attach_sockets());
    REQUIRE(second.set_devices(only(uplink)).empty());
    look([&](const auto& hook, auto link, auto) { CHECK(links[hook] == link); });
}

TEST_CASE("the maps survive a restart with what is in them", "[attach]")
{
    Place place;
    lb_frontend_key key{};
    key.port = 80;
    key.proto = 6;
    {
        auto first = place.open();
        auto maps = first.maps();
        REQUIRE(maps);
        CHECK(maps->arena_bytes == 1u << 20);
        lb_frontend row{};
        row.inside = 7;
        REQUIRE(bpf_map_update_elem(maps->frontends.get(), &key, &row, BPF_ANY) == 0);
    }
    auto second = place.open();
    lb_frontend row{};
    REQUIRE(bpf_map_lookup_elem(second.maps()->frontends.get(), &key, &row) == 0);
    CHECK(row.inside == 7);
}

TEST_CASE("the pins are for their owner alone and lead to the version in use", "[attach]")
{
    Place place;
    auto datapath = place.open();
    auto mode = [](const fs::path& path) { return static_cast<unsigned>(fs::status(path).permissions()); };
    for (const auto& folder : {place.pins, place.pins / "v1", place.pins / "v1" / "maps",
                               place.pins / "v1" / "progs", place.pins / "v1" / "links"})
        CHECK(mode(folder) == 0700);
    CHECK(mode(place.pins / "v1" / "maps" / "lb_arena") == 0600);
    CHECK(mode(place.pins / "v1" / "progs" / "connect4") == 0600);
    CHECK(fs::read_symlink(place.pins / "current") == "v1");
    CHECK(Maps::open(place.pins, Access::read_only));
}

TEST_CASE("a device made again under its name is attached anew", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0", 77);
    auto datapath = place.open();
    REQUIRE(datapath.set_devices(only(device)).empty());
    auto before = place.link_id("tc_ingress-77");

    SECTION("with the same number")
    {
        place.delete_device("nt0");
        device = place.add_device("nt0", 77);
    }
    SECTION("with another number")
    {
        place.delete_device("nt0");
        device = place.add_device("nt0", 78);
    }
    SECTION("while no agent ran")
    {
        place.delete_device("nt0");
        device = place.add_device("nt0", 77);
        {
            auto gone = std::move(datapath);
        }
        datapath = place.open();
        CHECK_FALSE(fs::exists(place.pins / "v1" / "links" / "tc_ingress-77"));
    }
    REQUIRE(datapath.set_devices(only(device)).empty());
    auto index = device.link.index;
    for (const std::string hook : {"tc_ingress", "tc_egress"})
        CHECK(Place::on_device(hook, index) == Ids{place.pinned_program(hook)});
    CHECK(place.link_id("tc_ingress-" + std::to_string(index)) != before);
    CHECK(pin_names(place.pins / "v1" / "links").size() == 2);
    CHECK(datapath.attachments().size() == 2);
}

TEST_CASE("a device no longer selected loses program and row, another gets them", "[attach]")
{
    Place place;
    auto one = place.add_device("nt1"), two = place.add_device("nt2");
    two.role = DeviceRole::workload;
    auto datapath = place.open();
    REQUIRE(datapath.set_devices(these(one, two)).empty());
    auto maps = datapath.maps();
    REQUIRE(maps);
    auto row = [&](const Device& device) -> std::optional<lb_device> {
        lb_device value{};
        if (bpf_map_lookup_elem(maps->devices.get(), &device.link.index, &value) != 0)
            return std::nullopt;
        return value;
    };
    REQUIRE(row(one));
    CHECK(row(one)->flags == LB_DEVICE_UPLINK);
    CHECK(Address::from(row(one)->addr4) == *Address::parse("192.0.2.1"));
    CHECK(row(two)->flags == LB_DEVICE_WORKLOAD);

    REQUIRE(datapath.set_devices(only(two)).empty());
    CHECK_FALSE(row(one));
    CHECK(row(two));
    CHECK(Place::on_device("tc_ingress", one.link.index).empty());
    CHECK(Place::on_device("tc_ingress", two.link.index).size() == 1);
}

TEST_CASE("until the node's addresses are known devices come, none goes and none becomes another", "[attach]")
{
    Place place;
    auto one = place.add_device("nt1"), two = place.add_device("nt2"), three = place.add_device("nt3");
    place.open().set_devices(these(one, two));
    two.role = three.role = DeviceRole::workload;
    auto restarted = place.open();
    REQUIRE(restarted.set_devices(these(two, three), DeviceSet::partial).empty());
    auto maps = restarted.maps().value();
    auto role = [&](const Device& device) {
        lb_device row{};
        bpf_map_lookup_elem(maps.devices.get(), &device.link.index, &row);
        CHECK(Place::on_device("tc_ingress", device.link.index).size() == (row.flags ? 1 : 0));
        return row.flags;
    };
    CHECK(role(one) == LB_DEVICE_UPLINK);
    CHECK(role(two) == LB_DEVICE_UPLINK);
    CHECK(role(three) == LB_DEVICE_WORKLOAD);
    REQUIRE(restarted.set_devices(these(two, three)).empty());
    CHECK(role(one) == 0);
    CHECK(role(two) == LB_DEVICE_WORKLOAD);
    CHECK(role(three) == LB_DEVICE_WORKLOAD);
}

TEST_CASE("a port of a bridge knows its bridge and that one's address", "[attach]")
{
    Place place;
    REQUIRE(Place::run(
                "ip link add ntbr type bridge && ip addr add 192.0.2.9/24 dev ntbr && ip link set ntbr up") ==
            0);
    place.devices.insert("ntbr");
    auto port = place.add_device("nt0");
    REQUIRE(Place::run("ip addr flush dev nt0 && ip link set nt0 master ntbr") == 0);
    port.link.master = ::if_nametoindex("ntbr");
    port.link.addresses.clear();
    port.role = DeviceRole::workload;

    auto datapath = place.open();
    REQUIRE(datapath.set_devices(only(port)).empty());
    lb_device row{};
    REQUIRE(bpf_map_lookup_elem(datapath.maps()->devices.get(), &port.link.index, &row) == 0);
    CHECK(row.master == port.link.master);
    CHECK(Address::from(row.addr4) == *Address::parse("192.0.2.9"));
}

TEST_CASE("one device that fails is named, the others are served", "[attach]")
{
    Place place;
    auto good = place.add_device("nt0");
    auto bad = place.add_device("nt1");
    auto datapath = place.open();
    // What is no pin in the place of one.
    fs::create_directory(place.pins / "v1" / "links" / ("tc_ingress-" + std::to_string(bad.link.index)));
    auto errors = datapath.set_devices(these(good, bad));
    REQUIRE(errors.size() == 1);
    CHECK(errors[0].what.starts_with("device nt1: attach tc_ingress-"));
    CHECK(errors[0].what.ends_with("is not a pin: remove it"));
    CHECK(Place::on_device("tc_egress", good.link.index).size() == 1);
}

TEST_CASE("a device that vanished meanwhile is no error", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    auto datapath = place.open();
    place.delete_device("nt0");
    CHECK(datapath.set_devices(only(device)).empty());
    CHECK(datapath.set_devices({}).empty());
    CHECK(datapath.attachments().empty());
}

TEST_CASE("programs of others stay, and ours comes before them", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    auto foreign = idle_tc();
    UniqueFd link{bpf_link_create(foreign.get(), static_cast<int>(device.link.index), tcx_ingress, nullptr)};
    REQUIRE(link);
    {
        auto datapath = place.open();
        REQUIRE(datapath.set_devices(only(device)).empty());
        CHECK(Place::on_device("tc_ingress", device.link.index) ==
              Ids{place.pinned_program("tc_ingress"), program_id(foreign.get())});
        REQUIRE(datapath.set_devices({}).empty());
    }
    CHECK(Place::on_device("tc_ingress", device.link.index) == Ids{program_id(foreign.get())});
}

TEST_CASE("an agent killed between attach and pin leaves a hook that the next start fills once", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    {
        auto datapath = place.open();
    }

    // The moment itself: attached, a second name for the pin made, not yet in its place.
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        auto program = open_pin(place.pins / "v1" / "progs" / "tc_ingress");
        auto attached = program ? bpf_link_create(program->get(), static_cast<int>(device.link.index),
                                                  tcx_ingress, nullptr)
                                : -1;
        ::raise(attached >= 0 ? SIGKILL : SIGABRT);
    }
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WTERMSIG(status) == SIGKILL);

    auto datapath = place.open();
    REQUIRE(datapath.attach_sockets());
    REQUIRE(datapath.set_devices(only(device)).empty());
    CHECK(Place::on_device("tc_ingress", device.link.index) == Ids{place.pinned_program("tc_ingress")});
}

TEST_CASE("an agent killed while it replaced a pin leaves one that the next start uses", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    auto name = "tc_ingress-" + std::to_string(device.link.index);
    {
        auto datapath = place.open();
        REQUIRE(datapath.set_devices(only(device)).empty());
    }
    auto before = place.link_id(name);
    auto path = place.pins / "v1" / "links" / name;
    REQUIRE(bpf_obj_pin(open_pin(path)->get(), next_pin(path).c_str()) == 0);

    auto datapath = place.open();
    REQUIRE(datapath.set_devices(only(device)).empty());
    CHECK(place.link_id(name) == before);
    CHECK(Place::on_device("tc_ingress", device.link.index) == Ids{place.pinned_program("tc_ingress")});
    CHECK(datapath.attachments().size() == 2);
    REQUIRE(datapath.set_devices({}).empty());
    CHECK(Place::on_device("tc_ingress", device.link.index).empty());
}

TEST_CASE("pins that lack a newer map are adopted, and the map is made", "[attach]")
{
    Place place;
    auto id_of_frontends = [&] {
        auto maps = Maps::open(place.pins, Access::read_only);
        REQUIRE(maps);
        return object_info<bpf_map_info>(maps->frontends.get()).value().id;
    };
    place.open();
    auto before = id_of_frontends();
    const auto newer = {"lb_udp_gone", "lb_shadowed", "lb_fragments", "lb_loads", "lb_turns"};
    for (const auto* map : newer)
        REQUIRE(fs::remove(place.pins / "current" / "maps" / map));
    CHECK(id_of_frontends() == before);
    auto older = Maps::open(place.pins, Access::read_write);
    REQUIRE(older);
    CHECK_FALSE(older->udp_gone);
    CHECK_FALSE(older->shadowed);
    CHECK_FALSE(older->fragments);
    CHECK_FALSE(older->loads);

    auto adopted = place.open();
    for (const auto* map : newer)
        CHECK(fs::exists(place.pins / "current" / "maps" / map));
    auto maps = adopted.maps();
    REQUIRE(maps);
    CHECK(maps->udp_gone);
    CHECK(maps->shadowed);
    CHECK(maps->fragments);
    CHECK(maps->loads);
    CHECK(id_of_frontends() == before);
}

TEST_CASE("another cgroup path moves the socket programs", "[attach]")
{
    Place place;
    {
        auto datapath = place.open();
        REQUIRE(datapath.attach_sockets());
    }
    auto inner = place.cgroup / "inner";
    fs::create_directory(inner);
    place.options.cgroup_path = inner;
    {
        auto datapath = place.open();
        REQUIRE(datapath.attach_sockets());
        CHECK(place.on_cgroup("connect4").empty());
        UniqueFd folder{::open(inner.c_str(), O_RDONLY | O_DIRECTORY)};
        CHECK(programs_on(folder.get(), BPF_CGROUP_INET4_CONNECT) == Ids{place.pinned_program("connect4")});
    }
    SECTION("and a cgroup that is gone is given up for the one that is there")
    {
        fs::remove(inner);
        place.options.cgroup_path = place.cgroup;
        auto datapath = place.open();
        REQUIRE(datapath.attach_sockets());
        CHECK(place.on_cgroup("connect4") == Ids{place.pinned_program("connect4")});
    }
    std::error_code ignored;
    fs::remove(inner, ignored);
}

TEST_CASE("the flag --socket-lb off takes the socket programs away", "[attach]")
{
    Place place;
    {
        auto datapath = place.open();
        REQUIRE(datapath.attach_sockets());
        REQUIRE(place.on_cgroup("connect4").size() == 1);
    }
    place.options.socket_lb = SocketLb::off;
    auto datapath = place.open();
    REQUIRE(datapath.attach_sockets());
    for (const auto& [hook, type] : cgroup_types)
        CHECK(place.on_cgroup(hook).empty());
    CHECK(datapath.attachments().empty());
    CHECK(pin_names(place.pins / "v1" / "progs").size() == 3);
}

TEST_CASE("where the driver has no XDP the device is named with the reason, and tc serves it", "[attach]")
{
    Place place;
    REQUIRE(Place::run("ip link add ntbr type bridge && ip link set ntbr up") == 0);
    place.devices.insert("ntbr");
    Device device;
    device.link.index = ::if_nametoindex("ntbr");
    device.link.name = "ntbr";
    device.role = DeviceRole::uplink; // without a kind, like a network card
    {
        auto datapath = place.open();
        CHECK(datapath.set_devices(only(device)).empty());
        REQUIRE(datapath.without_xdp().size() == 1);
        const auto said = datapath.without_xdp()[0];
        CHECK(said.device == "ntbr");
        CHECK(said.why.starts_with("attach xdp-"));
        CHECK_FALSE(said.asked_for);
        CHECK(Place::on_device("tc_ingress", device.link.index).size() == 1);
        CHECK(datapath.attachments().size() == 2);
    }
    place.options.xdp = XdpMode::native;
    auto datapath = place.open();
    CHECK(datapath.set_devices(only(device)).empty());
    REQUIRE(datapath.without_xdp().size() == 1);
    CHECK(datapath.without_xdp()[0].asked_for);
    CHECK(datapath.set_devices({}).empty());
    CHECK(datapath.without_xdp().empty());
}

TEST_CASE("the XDP program is replaced in place, changes its mode, and goes with the flag", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    const auto link = "xdp-" + std::to_string(device.link.index);
    auto mode = [](const Datapath& datapath) {
        for (const auto& each : datapath.attachments())
            if (each.hook == "xdp")
                return each.mode;
        return std::string{"none"};
    };
    auto with = [&](XdpMode wanted) {
        place.options.xdp = wanted;
        auto datapath = place.open();
        REQUIRE(datapath.set_devices(only(device)).empty());
        CHECK(datapath.without_xdp().empty());
        return datapath;
    };
    CHECK(mode(with(XdpMode::automatic)) == "none");
    CHECK(mode(with(XdpMode::native)) == "native");
    const auto before = place.link_id(link);
    CHECK(mode(with(XdpMode::native)) == "native");
    CHECK(place.link_id(link) == before);
    CHECK(mode(with(XdpMode::generic)) == "generic");
    CHECK(mode(with(XdpMode::off)) == "none");
    CHECK_FALSE(fs::exists(place.pins / "v1" / "progs" / "xdp"));
    CHECK(mode(with(XdpMode::native)) == "native");
    CHECK(mode(with(XdpMode::automatic)) == "none");
}

TEST_CASE("an XDP program made for one mode is never put into a link of the other", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    auto started = [&](XdpMode wanted) {
        place.options.xdp = wanted;
        return place.open();
    };
    auto attached = [&] { return Place::xdp_on_device(device.link.index); };
    REQUIRE(started(XdpMode::native).set_devices(only(device)).empty());
    const auto native = attached();
    {
        auto datapath = started(XdpMode::generic);
        CHECK(attached() == native);
        REQUIRE(datapath.set_devices(only(device)).empty());
    }
    CHECK(attached() == Ids{place.pinned_program("xdp")});
    const auto generic = attached();
    auto datapath = started(XdpMode::native);
    CHECK(attached() == generic);
    REQUIRE(datapath.set_devices(only(device)).empty());
    CHECK(attached() == Ids{place.pinned_program("xdp")});
}

TEST_CASE("an uplink keeps its XDP program until it is known to be none any more", "[attach]")
{
    Place place;
    place.options.xdp = XdpMode::native;
    auto device = place.add_device("nt0");
    auto datapath = place.open();
    auto attached = [&] { return Place::xdp_on_device(device.link.index); };
    REQUIRE(datapath.set_devices(only(device)).empty());
    REQUIRE(attached().size() == 1);
    REQUIRE(datapath.set_devices({}, DeviceSet::partial).empty());
    CHECK(attached() == Ids{place.pinned_program("xdp")});
    device.role = DeviceRole::workload;
    REQUIRE(datapath.set_devices(only(device), DeviceSet::partial).empty());
    CHECK(attached() == Ids{place.pinned_program("xdp")});
    REQUIRE(datapath.set_devices(only(device)).empty());
    CHECK(attached().empty());
}

TEST_CASE("cleanup leaves nothing of any version, and may be repeated", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    {
        auto datapath = place.open();
        REQUIRE(datapath.attach_sockets());
        REQUIRE(datapath.set_devices(only(device)).empty());
    }
    // What an older version might have left: other names, other hooks, a link that somebody else holds open.
    fs::create_directories(place.pins / "v0" / "links");
    auto old = idle_tc();
    UniqueFd held{bpf_link_create(old.get(), static_cast<int>(device.link.index), tcx_egress, nullptr)};
    REQUIRE(held);
    REQUIRE(bpf_obj_pin(held.get(), (place.pins / "v0" / "links" / "anything").c_str()) == 0);

    REQUIRE(Datapath::cleanup(place.pins));
    CHECK_FALSE(fs::exists(place.pins));
    for (const auto& [hook, type] : cgroup_types)
        CHECK(place.on_cgroup(hook).empty());
    for (const std::string hook : {"tc_ingress", "tc_egress"})
        CHECK(Place::on_device(hook, device.link.index).empty());
    CHECK(Datapath::cleanup(place.pins));
}

TEST_CASE("while new programs are being verified those of an earlier run serve", "[attach]")
{
    Place place;
    place.options.xdp = XdpMode::native;
    auto uplink = place.add_device("nt0");
    {
        auto first = place.open();
        CHECK_FALSE(first.serves());
        REQUIRE(first.attach_sockets());
        REQUIRE(first.set_devices(only(uplink)).empty());
        CHECK(first.serves());
    }
    auto second = Datapath::prepare(place.options);
    REQUIRE(second);
    CHECK(second->serves());
    CHECK(second->maps());
    std::map<std::string, Ids> before;
    auto look = [&](const std::string& hook) {
        if (hook == "xdp")
            return Place::xdp_on_device(uplink.link.index);
        return hook.starts_with("tc_") ? Place::on_device(hook, uplink.link.index) : place.on_cgroup(hook);
    };
    auto load = second->loader();
    auto programs = load();
    REQUIRE(programs);
    for (const auto& [name, program] : *programs) {
        INFO(name);
        before[name] = look(name);
        CHECK(before[name] == Ids{place.pinned_program(name)});
        CHECK(before[name] != Ids{program_id(program.get())});
    }
    CHECK(programs->size() == cgroup_types.size() + 3);
    REQUIRE(second->take(std::move(*programs)));
    for (const auto& [name, ids] : before) {
        INFO(name);
        CHECK(look(name) == Ids{place.pinned_program(name)});
        CHECK(look(name) != ids);
    }
}

TEST_CASE("a first run has its maps before its programs", "[attach]")
{
    Place place;
    auto datapath = Datapath::prepare(place.options);
    REQUIRE(datapath);
    CHECK(datapath->maps());
    CHECK(pin_names(place.pins / "v1" / "progs").empty());
    CHECK_FALSE(datapath->serves());
}

TEST_CASE("what cannot be used is refused with one line and the remedy", "[attach]")
{
    Place place;
    auto refusal = [](const DatapathOptions& options) {
        auto opened = Datapath::open(options);
        REQUIRE_FALSE(opened);
        CHECK_FALSE(opened.error().message().contains('\n'));
        return opened.error().message();
    };
    SECTION("a second agent")
    {
        auto first = place.open();
        CHECK(refusal(place.options) == "another naru-agent uses --bpf-path " + place.pins.string() +
                                            ": stop it, or give this one a path of its own");
        CHECK(Datapath::cleanup(place.pins).error().what.starts_with("another naru-agent uses"));
        CHECK(fs::exists(place.pins / "current"));
    }
    SECTION("a path that is not on bpffs")
    {
        place.options.bpf_path = "/tmp/naru";
        CHECK(refusal(place.options)
                  .starts_with("--bpf-path /tmp/naru is not on a bpf filesystem: mount one there"));
    }
    SECTION("a name with a dot")
    {
        place.options.bpf_path = "/sys/fs/bpf/naru.test/pins";
        CHECK(refusal(place.options).contains("holds a name with a dot, which the bpf filesystem refuses"));
        std::error_code refused;
        CHECK_FALSE(fs::exists("/sys/fs/bpf/naru.test", refused));
    }
    SECTION("a relative path")
    {
        place.options.bpf_path = "naru";
        CHECK(refusal(place.options) == "--bpf-path naru is not an absolute path");
    }
    SECTION("no cgroup v2 there")
    {
        place.options.cgroup_path = "/tmp";
        CHECK(refusal(place.options) ==
              "--cgroup-path /tmp is not a folder of a cgroup v2 mount: name one that is, or "
              "run with --socket-lb off");
    }
    SECTION("a folder that others can write")
    {
        fs::create_directory(place.pins);
        fs::permissions(place.pins, fs::perms::all);
        CHECK(refusal(place.options).contains("can be written by others (mode 0777): chmod go-w it"));
    }
    SECTION("a folder of somebody else")
    {
        fs::create_directory(place.pins);
        REQUIRE(::chmod(place.pins.c_str(), 0700) == 0);
        REQUIRE(::chown(place.pins.c_str(), 12345, 0) == 0);
        CHECK(refusal(place.options).contains("belongs to user 12345, not to this process"));
        REQUIRE(::chown(place.pins.c_str(), 0, 0) == 0);
    }
    SECTION("a symlink in the place of a folder")
    {
        fs::create_directory(place.pins);
        REQUIRE(::chmod(place.pins.c_str(), 0700) == 0);
        REQUIRE(::symlink("/sys/fs/bpf", (place.pins / "v1").c_str()) == 0);
        CHECK(refusal(place.options).contains("v1 is not a folder: remove it"));
        REQUIRE(::unlink((place.pins / "v1").c_str()) == 0);
    }
    SECTION("pins of another layout")
    {
        {
            auto first = place.open();
        }
        fs::create_directory(place.pins / "v2");
        CHECK(refusal(place.options).contains("v2 holds pins of another layout, this naru-agent knows v1"));
        CHECK(fs::exists(place.pins / "v2"));
    }
    SECTION("maps of another size")
    {
        {
            auto first = place.open();
        }
        place.options.arena_bytes *= 2;
        CHECK(refusal(place.options)
                  .contains("lb_arena has value size 1048576, this naru-agent wants 2097152"));
    }
    SECTION("a layout version nobody knows")
    {
        {
            auto first = place.open();
            auto maps = first.maps();
            lb_node node{};
            node.abi_version = 9;
            auto zero = 0u;
            REQUIRE(bpf_map_update_elem(maps->node.get(), &zero, &node, BPF_ANY) == 0);
        }
        auto maps = Maps::open(place.pins, Access::read_only);
        REQUIRE_FALSE(maps);
        CHECK(maps.error().what.contains("has layout version 9, this program knows 1"));
    }
    SECTION("no pins")
    {
        auto maps = Maps::open(place.pins, Access::read_only);
        REQUIRE_FALSE(maps);
        CHECK(maps.error().code == std::errc::no_such_file_or_directory);
    }
}

TEST_CASE("clsact filters are replaced in place where there is no tcx", "[attach]")
{
    Place place;
    auto device = place.add_device("nt0");
    auto index = device.link.index;
    {
        auto datapath = place.open();
    }
    auto links = place.pins / "v1" / "links";
    Hooks hooks{links, TcMode::clsact};
    HookPin pin{.hook = "tc_ingress", .ifindex = index};
    auto filters = [&] { return Place::run("test $(tc filter show dev nt0 ingress | grep -c 'id ') = 1"); };
    auto one = idle_tc(), two = idle_tc();

    REQUIRE(hooks.put_on_device("tc_ingress", one.get(), index));
    REQUIRE(hooks.put_on_device("tc_ingress", one.get(), index));
    CHECK(filters() == 0);
    CHECK(hooks.mode_of(pin) == "clsact");
    REQUIRE(hooks.put_on_device("tc_ingress", two.get(), index));
    CHECK(filters() == 0);
    CHECK(program_id(open_pin(links / pin.name())->get()) == program_id(two.get()));

    SECTION("after a crash between the filter and its pin")
    {
        // The filter has the new program, the pin still names the old one, its replacement is prepared.
        auto three = idle_tc();
        auto marker = links / pin.name();
        REQUIRE(bpf_obj_pin(two.get(), next_pin(marker).c_str()) == 0);
        REQUIRE(::unlink(marker.c_str()) == 0);
        REQUIRE(bpf_obj_pin(one.get(), marker.c_str()) == 0);
        REQUIRE(hooks.replace(pin, three.get()));
        CHECK(filters() == 0);
        CHECK(program_id(open_pin(marker)->get()) == program_id(three.get()));
    }
    SECTION("and somebody else's filter in that place is left alone")
    {
        REQUIRE(::unlink((links / pin.name()).c_str()) == 0);
        auto put = hooks.put_on_device("tc_ingress", one.get(), index);
        REQUIRE_FALSE(put);
        CHECK(put.error().what.contains("runs a program that is not naru's"));
        CHECK(filters() == 0);
    }
    SECTION("and cleanup removes them")
    {
        REQUIRE(hooks.remove(pin));
        CHECK(filters() != 0);
        CHECK(hooks.mode_of(pin).empty());
    }
    SECTION("and tcx takes over, once")
    {
        Hooks newer{links, TcMode::tcx};
        REQUIRE(newer.put_on_device("tc_ingress", one.get(), index));
        CHECK(filters() != 0);
        CHECK(newer.mode_of(pin) == "tcx");
        CHECK(Place::on_device("tc_ingress", index) == Ids{program_id(one.get())});
    }
}
