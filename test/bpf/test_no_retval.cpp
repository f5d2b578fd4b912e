// A kernel without bpf_set_retval can only fail a socket call with EPERM: there refused calls pass
// untranslated, and the packet path refuses their packets.
#include <catch2/catch.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "datapath/fd.hpp"
#include "datapath/probe.hpp"
#include "lb/reason.h"
#include "model/address.hpp"
#include "sock.skel.h"

using namespace naru;

namespace {

/// This process in a cgroup of its own, with connect4 on it.
class Node {
public:
    explicit Node(bool can_set_retval)
    {
        skeleton_ = sock_bpf::open(nullptr);
        REQUIRE(skeleton_);
        skeleton_->rodata->cfg.can_set_retval = can_set_retval;
        skeleton_->rodata->cfg.hz = 250;
        skeleton_->rodata->cfg.arena_bytes = arena_bytes;
        bpf_map* map = nullptr;
        bpf_object__for_each_map(map, skeleton_->obj) if (bpf_map__max_entries(map) > 1024)
            REQUIRE(bpf_map__set_max_entries(map, 1024) == 0);
        REQUIRE(bpf_map__set_value_size(skeleton_->maps.lb_arena, arena_bytes) == 0);
        REQUIRE(sock_bpf::load(skeleton_) == 0);

        auto mount = find_cgroup({});
        REQUIRE(mount);
        home_ = *mount / own_cgroup().substr(1);
        cgroup_ = *mount / ("naru-retval-" + std::to_string(::getpid()));
        std::filesystem::create_directory(cgroup_);
        UniqueFd folder{::open(cgroup_.c_str(), O_RDONLY | O_CLOEXEC)};
        link_ = bpf_program__attach_cgroup(skeleton_->progs.connect4, folder.get());
        REQUIRE(link_);
        enter(cgroup_);
    }
    ~Node()
    {
        enter(home_);
        bpf_link__destroy(link_);
        sock_bpf::destroy(skeleton_);
        std::error_code ignored;
        std::filesystem::remove(cgroup_, ignored);
    }
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;

    /// All of the address is a frontend's, and none of its ports is served.
    void take(const Address& address)
    {
        lb_frontend_key key{.addr = address.raw(), .port = 0, .proto = 0, .pad = 0, .pad2 = 0};
        lb_frontend row{};
        REQUIRE(bpf_map__update_elem(skeleton_->maps.lb_frontends, &key, sizeof key, &row, sizeof row,
                                     BPF_ANY) == 0);
    }

    std::uint64_t counted(lb_reason why) const
    {
        std::uint32_t index = LB_HOOK_SOCK * LB_METRIC_STRIDE + why;
        std::vector<lb_counter> each(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        REQUIRE(bpf_map_lookup_elem(bpf_map__fd(skeleton_->maps.lb_metrics), &index, each.data()) == 0);
        std::uint64_t sum = 0;
        for (const auto& cpu : each)
            sum += cpu.packets;
        return sum;
    }

private:
    static constexpr std::uint32_t arena_bytes = 1u << 16;

    static std::string own_cgroup()
    {
        std::ifstream lines{"/proc/self/cgroup"};
        for (std::string line; std::getline(lines, line);)
            if (line.starts_with("0::"))
                return line.substr(3);
        FAIL("this process is in no cgroup of version 2");
        return {};
    }
    static void enter(const std::filesystem::path& cgroup)
    {
        std::ofstream procs{cgroup / "cgroup.procs"};
        procs << ::getpid() << std::flush;
        if (!procs)
            std::abort(); // somebody else's calls would be refused
    }

    sock_bpf* skeleton_ = nullptr;
    bpf_link* link_ = nullptr;
    std::filesystem::path home_, cgroup_;
};

sockaddr_in at_loopback(std::uint16_t port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    ::inet_pton(AF_INET, "127.0.0.7", &address.sin_addr);
    return address;
}

/// 0, or the error of connect().
int dial(std::uint16_t port)
{
    UniqueFd client{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto to = at_loopback(port);
    return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0 ? 0 : errno;
}

} // namespace

TEST_CASE("where a socket call cannot be given an error of its own, a refused one passes to the packet path",
          "[retval]")
{
    REQUIRE(std::system("ip link set lo up") == 0);
    constexpr std::uint16_t port = 7777;
    UniqueFd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)}; // whoever gets through is heard
    auto own = at_loopback(port);
    REQUIRE(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own) == 0);
    REQUIRE(::listen(listener.get(), 4) == 0);

    const bool able = GENERATE(true, false);
    CAPTURE(able);
    Node node{able};
    CHECK(dial(port) == 0);
    node.take(Address::parse("127.0.0.7").value());
    CHECK(dial(port) == (able ? ECONNREFUSED : 0));
    CHECK(node.counted(LB_PORT_UNSERVED) == (able ? 1 : 0));
    CHECK(node.counted(LB_SOCK_LEFT) == (able ? 0 : 1));
}
