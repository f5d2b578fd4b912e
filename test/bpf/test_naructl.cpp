// naructl on real maps: in this process for what it answers, as a program for how it ends.
#include <catch2/catch.hpp>

#include <bpf/libbpf.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <thread>

#include "datapath/jiffies.hpp"
#include "datapath/kernel.hpp"
#include "datapath/rows.hpp"
#include "naructl/dump.hpp"
#include "naructl/output.hpp"
#include "naructl/verbs.hpp"
#include "small_maps.hpp"

using namespace naru;
using namespace naru::test;
namespace fs = std::filesystem;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

constexpr std::array map_names{
    std::pair{"lb_frontends", &Maps::frontends}, std::pair{"lb_services", &Maps::services},
    std::pair{"lb_arena", &Maps::arena},         std::pair{"lb_ranges", &Maps::ranges},
    std::pair{"lb_devices", &Maps::devices},     std::pair{"lb_node", &Maps::node},
    std::pair{"lb_names", &Maps::names},         std::pair{"lb_ct_tcp", &Maps::ct_tcp},
    std::pair{"lb_ct_any", &Maps::ct_any},       std::pair{"lb_snat", &Maps::snat},
    std::pair{"lb_affinity", &Maps::affinity},   std::pair{"lb_sock", &Maps::sock},
    std::pair{"lb_sock_udp", &Maps::sock_udp},   std::pair{"lb_udp_gone", &Maps::udp_gone},
    std::pair{"lb_shadowed", &Maps::shadowed},   std::pair{"lb_fragments", &Maps::fragments},
    std::pair{"lb_loads", &Maps::loads},         std::pair{"lb_metrics", &Maps::metrics},
};

/// shop/web:http with two backends on 10.96.0.1:80, sticky for a minute, written as the agent writes it.
Maps shop_maps(lb_algorithm algorithm = LB_ALGORITHM_DEFAULT)
{
    auto maps = small_maps();
    lb_node node{};
    node.abi_version = LB_ABI_VERSION;
    node.next_generation = 1;
    node.arena_bytes = maps.arena_bytes;
    write(maps.node, 0u, node);

    std::vector<std::string> findings;
    auto kernel = Kernel::open(again(maps), LB_DEFAULT_SEED, findings);
    REQUIRE(kernel);
    ServiceId id{.key = {"shop", "web"}, .uid = "uid", .port_name = "http"};
    ServiceRow row;
    row.backends = {{.at = {addr("10.1.0.1"), {8080}}, .chosen = true, .serving = true},
                    {.at = {addr("10.1.0.2"), {8080}}, .chosen = true, .serving = true}};
    row.affinity_timeout_sec = 60;
    row.algorithm = algorithm;
    REQUIRE(kernel->apply(PutService{id, row}));
    FrontendRow frontend;
    frontend.inside = frontend.outside = id;
    REQUIRE(kernel->apply(PutFrontend{{addr("10.96.0.1"), {80}, Protocol::tcp}, frontend}));
    return maps;
}

std::string ask(const Maps& maps, ctl::Options options)
{
    auto answered = ctl::answer(options, maps);
    if (!answered)
        FAIL(answered.error().message());
    CHECK(answered->remarks.empty());
    return render(answered->table, options.format, true);
}

std::string ask(const Maps& maps, ctl::Verb verb)
{
    ctl::Options options;
    options.verb = verb;
    options.service = "shop/web";
    return ask(maps, options);
}

lb_tuple flow_tuple()
{
    lb_tuple tuple{};
    tuple.src = addr("10.9.9.9").raw();
    tuple.dst = addr("10.96.0.1").raw();
    tuple.sport = Port{4711}.raw();
    tuple.dport = Port{80}.raw();
    tuple.proto = 6;
    return tuple;
}

/// The maps pinned as the agent pins them, in a bpffs of their own.
class PinnedShop {
public:
    PinnedShop()
    {
        char name[] = "/tmp/naructl-test-XXXXXX";
        REQUIRE(::mkdtemp(name));
        mount_ = name;
        REQUIRE(::mount("bpf", name, "bpf", 0, "mode=0755") == 0);
        fs::create_directories(path() / "v1" / "maps");
        fs::create_directories(path() / "v1" / "links");
        fs::create_directory_symlink("v1", path() / "current");
        for (auto [map, member] : map_names)
            REQUIRE(bpf_obj_pin((maps.*member).get(), (path() / "v1" / "maps" / map).c_str()) == 0);
    }
    PinnedShop(const PinnedShop&) = delete;
    PinnedShop& operator=(const PinnedShop&) = delete;
    ~PinnedShop()
    {
        ::umount2(mount_.c_str(), MNT_DETACH);
        ::rmdir(mount_.c_str());
    }

    fs::path path() const { return mount_ / "naru"; }

    Maps maps = shop_maps();

private:
    fs::path mount_;
};

struct Ended {
    int exit_code = -1;
    std::string out, err;
};

std::string drain(int fd)
{
    std::string text;
    std::array<char, 4096> part{};
    for (ssize_t got; (got = ::read(fd, part.data(), part.size())) > 0;)
        text.append(part.data(), static_cast<std::size_t>(got));
    return text;
}

/// Runs naructl with a short answer. `reader_left`: nobody reads its standard output.
Ended run(std::vector<std::string> words, uid_t user = 0, bool reader_left = false)
{
    std::array<int, 2> out{}, err{};
    REQUIRE(::pipe2(out.data(), O_CLOEXEC) == 0);
    REQUIRE(::pipe2(err.data(), O_CLOEXEC) == 0);
    std::vector<char*> argv{const_cast<char*>("naructl")};
    for (auto& word : words)
        argv.push_back(word.data());
    argv.push_back(nullptr);

    UniqueFd program{::open(NARUCTL, O_PATH | O_CLOEXEC)};
    REQUIRE(program);
    auto child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        ::dup2(out[1], STDOUT_FILENO);
        ::dup2(err[1], STDERR_FILENO);
        if (reader_left)
            ::close(out[0]);
        if (user && ::setresuid(user, user, user) != 0)
            ::_exit(99);
        ::fexecve(program.get(), argv.data(), environ);
        ::_exit(98);
    }
    UniqueFd out_end{out[0]}, err_end{err[0]};
    if (reader_left)
        out_end = UniqueFd{};
    ::close(out[1]);
    ::close(err[1]);
    Ended ended;
    if (out_end)
        ended.out = drain(out_end.get());
    ended.err = drain(err_end.get());
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status))
        ended.exit_code = WEXITSTATUS(status);
    return ended;
}

} // namespace

TEST_CASE("backends of a Service that compares loads come with what the programs have counted", "[naructl]")
{
    auto maps = shop_maps(LB_ALGORITHM_LC);
    write(maps.loads, 2u, lb_load{.opened = 7, .closed = 3});
    write(maps.loads, 3u, lb_load{.opened = 0, .closed = 2}); // began before they were counted
    ctl::Options options;
    options.verb = ctl::Verb::backends;
    options.format = ctl::Format::json;
    auto shown = ask(maps, options);
    CHECK(shown.contains(R"("generation": 2, "weight": 1, "active": 4,)"));
    CHECK(shown.contains(R"("generation": 3, "weight": 1, "active": 0,)"));
}

TEST_CASE("services, backends and Maglev shares are read from the maps")
{
    auto maps = shop_maps();
    CHECK(ask(maps, ctl::Verb::services) ==
          "ID  FRONTEND          KIND       SERVICE        POLICY       BACKENDS       FLAGS\n"
          "1   10.96.0.1:80/TCP  ClusterIP  shop/web:http  itp=Cluster  2 of 2 usable  affinity=60s\n");
    auto backends = ask(maps, ctl::Verb::backends);
    CHECK(backends.contains("0         10.1.0.1:8080  ready"));
    CHECK(backends.contains("1         10.1.0.2:8080  ready"));
    auto slots = ask(maps, ctl::Verb::maglev);
    CHECK(slots.contains("10.1.0.1:8080"));
    CHECK(slots.contains("%"));
}

TEST_CASE("without the right to write the same is read by copying the arena")
{
    PinnedShop shop;
    auto read_only = Maps::open(shop.path(), Access::read_only);
    REQUIRE(read_only);
    auto read_write = ctl::open_pins(shop.path(), ctl::Need::blocks);
    REQUIRE(read_write);
    for (auto verb : {ctl::Verb::services, ctl::Verb::backends, ctl::Verb::maglev})
        CHECK(ask(*read_only, verb) == ask(*read_write, verb));
}

TEST_CASE("a record that contradicts its block is told, and the rest is shown")
{
    auto maps = shop_maps();
    auto record = read<lb_service>(maps.services, 1u).value();
    SECTION("beyond the arena") { record.block = maps.arena_bytes; }
    SECTION("far beyond the arena") { record.block = 0xffffffe0u; }
    SECTION("not aligned") { record.block += 1; }
    SECTION("more rows than there is room for") { record.rows = 65535; }
    SECTION("another number of slots") { record.slots = static_cast<std::uint16_t>(record.slots - 1); }
    write(maps.services, 1u, record);

    ctl::Options options;
    options.verb = ctl::Verb::services;
    auto answered = ctl::answer(options, maps);
    REQUIRE(answered);
    REQUIRE(answered->remarks.size() == 1);
    CHECK(answered->remarks[0].contains("shop/web:http"));
    REQUIRE(answered->table.rows.size() == 1);
    CHECK_FALSE(render(answered->table, ctl::Format::table, false).contains("usable"));
}

TEST_CASE("a service number beyond the map is a service without a block")
{
    auto maps = shop_maps();
    lb_frontend stray{};
    stray.kind = LB_KIND_CLUSTER_IP;
    stray.inside = stray.outside = 4'000'000'000u;
    write(maps.frontends, to_raw(FrontendKey{addr("10.96.0.2"), {80}, Protocol::tcp}), stray);
    CHECK(ask(maps, ctl::Verb::services).contains("#4000000000"));
}

TEST_CASE("an affinity entry is shown with its backend and its age by the kernel's clock")
{
    auto maps = shop_maps();
    auto now = now_jiffies();
    REQUIRE(now);
    auto hz = ticks_per_second();
    ctl::Options options;
    options.verb = ctl::Verb::backends;
    auto epoch = [&] {
        auto record = read<lb_service>(maps.services, 1u).value();
        std::vector<std::byte> arena(maps.arena_bytes);
        std::uint32_t only = 0;
        REQUIRE(bpf_map_lookup_elem(maps.arena.get(), &only, arena.data()) == 0);
        return decode(std::span{arena}.subspan(record.block), 1, record).value();
    }();
    lb_affinity_key key{};
    key.client = addr("10.9.9.9").raw();
    key.frontend = addr("10.96.0.1").raw();
    key.port = Port{80}.raw();
    key.proto = 6;
    lb_affinity entry{};
    entry.last_seen = *now - 20 * hz;
    entry.service = 1;
    entry.generation = epoch.rows[1].generation;
    entry.epoch = epoch.affinity_epoch;
    entry.position = 1;
    write(maps.affinity, key, entry);

    auto shown = ask(maps, ctl::Verb::affinity);
    CHECK(shown.contains(
        "10.9.9.9  10.96.0.1:80/TCP  shop/web:http  10.1.0.2:8080  live   2")); // 20 s, a busy machine more

    options.verb = ctl::Verb::explain;
    options.flow = {.from = addr("10.9.9.9"),
                    .from_port = Port{4711},
                    .outside = true,
                    .to = {addr("10.96.0.1"), {80}},
                    .protocol = Protocol::tcp};
    CHECK(ask(maps, options).contains("entry -> position 1"));
}

TEST_CASE("a flow is shown with its backend and found again by explain")
{
    auto maps = shop_maps();
    auto now = now_jiffies();
    REQUIRE(now);
    lb_ct entry{};
    entry.to = addr("10.1.0.2").raw();
    entry.to_port = Port{8080}.raw();
    entry.via = addr("10.9.9.9").raw();
    entry.via_port = Port{4711}.raw();
    entry.state = LB_CT_ESTABLISHED;
    entry.service = 1;
    entry.last_seen = *now;
    write(maps.ct_tcp, flow_tuple(), entry);
    CHECK(ask(maps, ctl::Verb::ct).contains("10.9.9.9:4711  10.96.0.1:80  10.1.0.2:8080  established"));

    ctl::Options options;
    options.verb = ctl::Verb::explain;
    options.flow = {.from = addr("10.9.9.9"),
                    .from_port = Port{4711},
                    .outside = true,
                    .to = {addr("10.96.0.1"), {80}},
                    .protocol = Protocol::tcp};
    auto told = ask(maps, options);
    CHECK(told.contains("established to 10.1.0.2:8080"));
    CHECK(told.contains("verdict"));
}

TEST_CASE("metrics are sums over CPUs")
{
    auto maps = shop_maps();
    std::vector<lb_counter> per_cpu(static_cast<std::size_t>(libbpf_num_possible_cpus()), lb_counter{2, 100});
    REQUIRE(bpf_map_update_elem(maps.metrics.get(), std::array{LB_HOOK_SOCK * LB_METRIC_STRIDE + 1u}.data(),
                                per_cpu.data(), BPF_ANY) == 0);
    CHECK(ask(maps, ctl::Verb::metrics) == "HOOK  REASON      PACKETS  BYTES  MEANING\nsock  translated  " +
                                               std::to_string(2 * per_cpu.size()) + "        " +
                                               std::to_string(100 * per_cpu.size()) +
                                               "    socket call sent to a backend\n");
}

TEST_CASE("a map that changes all the time is still walked to an end, no row twice, none lost that stayed")
{
    auto map = make_map(BPF_MAP_TYPE_HASH, "changing", 4, 4, 8192, BPF_F_NO_PREALLOC);
    constexpr std::uint32_t staying = 3000;
    for (std::uint32_t key = 0; key < staying; ++key)
        write(map, key, key);
    std::atomic<bool> done = false;
    std::jthread changer{[&] {
        for (std::uint32_t i = 0; !done; ++i) {
            std::uint32_t key = staying + i % 4000;
            bpf_map_update_elem(map.get(), &key, &i, BPF_ANY);
            key = staying + (i + 2000) % 4000;
            bpf_map_delete_elem(map.get(), &key);
        }
    }};
    for (int walk = 0; walk < 20; ++walk) {
        auto read = ctl::dump<std::uint32_t, std::uint32_t>(map.get(), "changing");
        REQUIRE(read);
        std::set<std::uint32_t> seen;
        for (const auto& [key, _] : read->rows)
            seen.insert(key);
        CHECK(seen.size() == read->rows.size());
        CHECK(std::distance(seen.begin(), seen.lower_bound(staying)) == staying);
    }
    done = true;
}

TEST_CASE("a map larger than a batch, a trie and an empty map are read whole")
{
    auto large = make_map(BPF_MAP_TYPE_LRU_HASH, "large", 4, 8, 20000, 0);
    for (std::uint32_t key = 0; key < 10000; ++key)
        write(large, key, std::uint64_t{key});
    CHECK(ctl::dump<std::uint32_t, std::uint64_t>(large.get(), "large")->rows.size() == 10000);

    auto maps = small_maps();
    CHECK(ctl::dump<lb_frontend_key, lb_frontend>(maps.frontends.get(), "empty")->rows.empty());
    for (auto network : {"10.0.0.0/8", "203.0.113.0/24", "0.0.0.0/0"})
        write(maps.ranges, to_raw(1, Cidr::parse(network).value()), 1u);
    CHECK(ctl::dump<lb_range_key, std::uint32_t>(maps.ranges.get(), "ranges")->rows.size() == 3);
    CHECK_FALSE((ctl::dump<std::uint32_t, std::uint32_t>(large.get(), "other sizes")));
}

TEST_CASE("the program answers every verb from the pins alone and ends with 0")
{
    PinnedShop shop;
    auto pins = "--bpf-path=" + shop.path().string();
    for (const std::vector<std::string>& words : {std::vector<std::string>{"status"},
                                                  {"services"},
                                                  {"backends"},
                                                  {"maglev", "shop/web"},
                                                  {"affinity"},
                                                  {"ct"},
                                                  {"metrics"},
                                                  {"explain", "10.96.0.1:80"}})
        for (std::string format : {"table", "wide", "json", "yaml"}) {
            auto call = words;
            call.insert(call.end(), {pins, "-o", format});
            auto ended = run(call);
            INFO(words[0] << " " << format << ": " << ended.err);
            CHECK(ended.exit_code == 0);
            CHECK(ended.err.empty());
            CHECK_FALSE(ended.out.empty());
            CHECK(run(call).out == ended.out);
        }
    auto status = run({"status", pins}).out;
    CHECK(status.contains((shop.path() / "v1").string()));
    CHECK(status.contains("lb_frontends     1 of 64"));
    CHECK(status.contains("lb_udp_gone"));
    CHECK(status.contains("lb_fragments"));

    CHECK(status.contains("lb_shadowed"));

    CHECK(status.contains("lb_loads"));

    for (const auto* newer : {"lb_udp_gone", "lb_shadowed", "lb_fragments",
                              "lb_loads"}) { // as an agent made them that did not know these yet
        REQUIRE(fs::remove(shop.path() / "v1/maps" / newer));
        auto older = run({"status", pins});
        CHECK(older.exit_code == 0);
        CHECK_FALSE(older.out.contains(newer));
        CHECK(run({"services", pins}).exit_code == 0);
    }
}

TEST_CASE("the exit code tells what went wrong, in one line")
{
    auto one_line = [](const Ended& ended) {
        return ended.out.empty() && ended.err.find('\n') == ended.err.size() - 1;
    };
    PinnedShop shop;
    auto pins = "--bpf-path=" + shop.path().string();

    auto usage = run({"servces", pins});
    CHECK(usage.exit_code == 1);
    CHECK(usage.err.contains("did you mean services?"));
    CHECK(one_line(usage));

    auto unknown = run({"maglev", "shop/wep", pins});
    CHECK(unknown.exit_code == 1);
    CHECK(one_line(unknown));

    auto nothing = run({"services", "--bpf-path=/sys/fs/bpf/naructl-nothing-here"});
    CHECK(nothing.exit_code == 4);
    CHECK(nothing.err.contains("/sys/fs/bpf/naructl-nothing-here"));
    CHECK(one_line(nothing));

    auto node = read<lb_node>(shop.maps.node, 0u).value();
    node.abi_version = 99;
    write(shop.maps.node, 0u, node);
    auto other = run({"services", pins});
    CHECK(other.exit_code == 4);
    CHECK(other.err.contains("99"));
    CHECK(one_line(other));

    fs::permissions(shop.path(), fs::perms::owner_all);
    constexpr uid_t nobody = 65534;
    auto forbidden = run({"services", pins}, nobody);
    CHECK(forbidden.exit_code == 3);
    CHECK(forbidden.err.contains(shop.path().string()));
    CHECK(one_line(forbidden));
}

TEST_CASE("a reader that left is no error")
{
    PinnedShop shop;
    auto pins = "--bpf-path=" + shop.path().string();
    auto ended = run({"metrics", "-o", "json", pins}, 0, true);
    CHECK(ended.exit_code == 0);
    CHECK(ended.err.empty());
    CHECK(run({"metrics", "--watch", pins}, 0, true).exit_code == 0);
}
