#include <catch2/catch.hpp>

#include "lb/hash.h"
#include "snapshots.hpp"

using namespace naru;
using namespace naru::test;
using ctl::Flow;
using ctl::Format;
using ctl::Remembered;

namespace {

constexpr ctl::Clock clock_at_1000s{.now = 1000 * 250, .hz = 250};

Flow to(std::string_view target)
{
    auto wanted = key(target);
    return {.from = {},
            .from_port = {},
            .outside = false,
            .to = {wanted.address, wanted.port},
            .protocol = wanted.protocol.value_or(Protocol::tcp)};
}

Flow from_pod(std::string_view client, std::string_view target)
{
    auto flow = to(target);
    flow.from = addr(client);
    return flow;
}

Flow from_outside(std::string_view client, std::string_view target)
{
    auto flow = to(target);
    auto end = at(client);
    flow.from = end.address;
    flow.from_port = end.port;
    flow.outside = true;
    return flow;
}

std::string story(const ctl::Snapshot& tables, const Flow& flow, const Remembered& remembered = {})
{
    return render(ctl::explain(tables, flow, remembered, clock_at_1000s), Format::table, false);
}

/// The keys of the verdicts, joined.
std::string verdict(const ctl::Snapshot& tables, const Flow& flow, const Remembered& remembered = {})
{
    std::string keys;
    for (const auto& row : ctl::explain(tables, flow, remembered, clock_at_1000s).rows)
        if (const auto* reason = std::get_if<std::string>(&row.values[2]))
            keys += (keys.empty() ? "" : " ") + *reason;
    return keys;
}

ctl::Snapshot load_balancer(std::uint8_t flags)
{
    auto tables = shop();
    put_frontend(tables, "192.0.2.10:80/TCP",
                 {.inside = 1, .outside = 1, .kind = LB_KIND_LOAD_BALANCER, .flags = flags, .pad = 0});
    return tables;
}

} // namespace

TEST_CASE("a flow from outside is told to the slot and the backend its hash names")
{
    auto tables = shop();
    auto flow = from_outside("203.0.113.9:4711", "10.96.0.1:80/TCP");
    auto tuple = ctl::tuple_of(flow);
    const auto& block = *tables.services.at(1).block;
    auto slot =
        lb_slot(lb_hash_tuple(&tuple, LB_DEFAULT_SEED), static_cast<std::uint16_t>(block.slots.size()));
    auto position = block.slots[slot];

    auto told = story(tables, flow);
    CHECK(told.contains("10.96.0.1:80/TCP  ClusterIP  shop/web:http"));
    CHECK(told.contains("cluster list: id 1, 2 of 2 backends usable"));
    CHECK(told.contains("slot " + std::to_string(slot) + " of " + std::to_string(block.slots.size()) +
                        " -> position " + std::to_string(position)));
    CHECK(told.contains(SocketAddress{Address::from(block.rows[position].addr), {8080}}.text()));
    CHECK(verdict(tables, flow) == (position == 0 ? "forward_local" : "forward_remote"));
}

TEST_CASE("two flows from outside can reach different backends, one flow always the same")
{
    auto tables = shop();
    std::set<std::string> seen;
    for (int port = 1024; port < 1064; ++port) {
        auto flow = from_outside("203.0.113.9:" + std::to_string(port), "10.96.0.1:80/TCP");
        CHECK(verdict(tables, flow) == verdict(tables, flow));
        seen.insert(verdict(tables, flow));
    }
    CHECK(seen == std::set<std::string>{"forward_local", "forward_remote"});
}

TEST_CASE("inside the pick is chance, so all backends are told with their shares")
{
    auto told = story(shop(), to("10.96.0.1:80/TCP"));
    CHECK(told.contains("by chance"));
    CHECK(told.contains("10.1.0.1:8080"));
    CHECK(told.contains("10.1.0.2:8080"));
    CHECK(told.contains("% of new flows"));
    CHECK(verdict(shop(), to("10.96.0.1:80/TCP")) == "translated");
}

TEST_CASE("an algorithm that an annotation chose says what decides")
{
    auto tables = shop();
    auto with = [&](lb_algorithm algorithm) {
        tables.services.at(1).block->algorithm = algorithm;
        return tables;
    };
    auto flow = from_outside("203.0.113.9:4711", "10.96.0.1:80/TCP");
    CHECK(story(with(LB_ALGORITHM_RANDOM), flow).contains("algorithm random"));
    CHECK(story(with(LB_ALGORITHM_DH), flow).contains("algorithm dh, hash of the frontend's address: slot"));
    CHECK(story(with(LB_ALGORITHM_SH), flow).contains("by the hash of the client"));
    CHECK(story(with(LB_ALGORITHM_MAGLEV), flow).contains("hash of the flow: slot"));
    CHECK(story(with(LB_ALGORITHM_MAGLEV), to("10.96.0.1:80/TCP")).contains("by the hash of the flow"));
}

TEST_CASE("turns name everybody who has one, loads the backend that has least")
{
    ctl::Snapshot tables;
    auto heavy = backend_at("10.1.0.1:8080"), light = backend_at("10.1.0.2:8080");
    heavy.weight = 3;
    auto row = row_with({heavy, light});
    auto with = [&](lb_algorithm algorithm, std::uint64_t first, std::uint64_t second) {
        ctl::Snapshot made;
        row.algorithm = algorithm;
        put_service(made, 1, name_of("web"), row);
        put_frontend(made, "10.96.0.1:80/TCP", cluster_ip(1));
        made.connections = {{1, first}, {2, second}};
        return story(made, to("10.96.0.1:80/TCP"));
    };
    auto turns = with(LB_ALGORITHM_WRR, 0, 0);
    CHECK(turns.contains("algorithm wrr: whose turn it is"));
    CHECK(turns.contains("10.1.0.1:8080"));
    CHECK(turns.contains("10.1.0.2:8080"));
    CHECK(with(LB_ALGORITHM_LC, 2, 1)
              .contains("algorithm lc: least loaded with 1 connections and weight 1 -> position 1"));
    CHECK(with(LB_ALGORITHM_WLC, 2, 1)
              .contains("algorithm wlc: least loaded with 2 connections and weight 3 -> position 0"));
    CHECK(with(LB_ALGORITHM_SED, 3, 0).contains("-> position 1"));
    CHECK(with(LB_ALGORITHM_SED, 1, 0).contains("-> position 0"));
    CHECK(with(LB_ALGORITHM_NQ, 1, 0).contains("-> position 1"));
}

TEST_CASE("what is encapsulated for another node is told so, what stays here is not")
{
    auto tables = shop();
    tables.services.at(1).block->flags |= LB_SERVICE_DSR;
    auto flow = from_outside("203.0.113.9:4711", "10.96.0.1:80/TCP");
    tables.services.at(1).block->algorithm = LB_ALGORITHM_RANDOM; // both backends may be chosen
    CHECK(verdict(tables, flow) == "forward_local encapsulated");
    CHECK(story(tables, flow).contains("in another IP header"));
    CHECK(verdict(tables, from_pod("10.1.0.9", "10.96.0.1:80/TCP")) == "forward_local");
}

TEST_CASE("a pod that may get itself as backend is told so")
{
    CHECK(verdict(shop(), from_pod("10.1.0.1", "10.96.0.1:80/TCP")) == "forward_local hairpin");
}

TEST_CASE("an address that is nobody's frontend is left alone")
{
    CHECK(verdict(shop(), to("10.0.0.99:80/TCP")) == "pass");
    CHECK(verdict(shop(), from_outside("203.0.113.9:1", "10.0.0.99:80/TCP")) == "pass");
}

TEST_CASE("another port of a frontend's address is rejected")
{
    CHECK(verdict(shop(), from_pod("10.1.0.9", "10.96.0.1:81/TCP")) == "port_unserved");
    CHECK(verdict(shop(), from_pod("10.1.0.9", "10.96.0.1:80/SCTP")) == "port_unserved");
    CHECK(verdict(shop(), to("10.96.0.1:80/SCTP")) == "pass"); // no socket hook looks at SCTP
}

TEST_CASE("SCTP is served by its packets, not at a socket")
{
    auto tables = shop();
    auto sctp = to_raw(key("10.96.0.1:80/SCTP"));
    tables.frontends.emplace_back(
        sctp, lb_frontend{.inside = 1, .outside = 1, .kind = LB_KIND_CLUSTER_IP, .flags = 0, .pad = 0});
    CHECK(verdict(tables, from_pod("10.1.0.9", "10.96.0.1:80/SCTP")) == "forward_local");
    CHECK(verdict(tables, to("10.96.0.1:80/SCTP")) == "pass");
    CHECK(story(tables, to("10.96.0.1:80/SCTP")).contains("--socket-lb off"));
}

TEST_CASE("a client outside the source ranges is dropped, one inside is told its range")
{
    auto tables = load_balancer(LB_FRONTEND_RANGES);
    tables.ranges = {to_raw(1, cidr("203.0.113.0/24")), to_raw(1, cidr("203.0.0.0/16")),
                     to_raw(2, cidr("0.0.0.0/0"))};
    CHECK(verdict(tables, from_outside("198.51.100.1:1", "192.0.2.10:80/TCP")) == "source_range");
    CHECK(
        story(tables, from_outside("203.0.113.9:1", "192.0.2.10:80/TCP")).contains("203.0.113.0/24 matches"));
    CHECK(verdict(tables, to("192.0.2.10:80/TCP")) == "source_range");
    CHECK(verdict(load_balancer(LB_FRONTEND_RANGES | LB_FRONTEND_ADMITS_NODE), to("192.0.2.10:80/TCP")) ==
          "translated");
}

TEST_CASE("a frontend for the host alone is none for a packet")
{
    auto tables = load_balancer(LB_FRONTEND_HOST_ONLY);
    CHECK(verdict(tables, to("192.0.2.10:80/TCP")) == "translated");
    CHECK(verdict(tables, from_pod("10.1.0.9", "192.0.2.10:80/TCP")) == "pass");
}

TEST_CASE("a loopback address is never served to a packet")
{
    CHECK(verdict(shop(), from_outside("203.0.113.9:1", "127.0.0.1:80/TCP")) == "loopback");
}

TEST_CASE("a deleted port is as good as absent")
{
    CHECK(verdict(load_balancer(LB_FRONTEND_TOMBSTONE), from_pod("10.1.0.9", "192.0.2.10:80/TCP")) == "pass");
}

TEST_CASE("a Service without endpoints rejects, or drops when other nodes have some")
{
    auto tables = shop();
    put_service(tables, 1, name_of("web"), {});
    CHECK(verdict(tables, to("10.96.0.1:80/TCP")) == "no_backend");
    ServiceRow dropping;
    dropping.drop_if_empty = true;
    put_service(tables, 1, name_of("web"), dropping);
    CHECK(verdict(tables, to("10.96.0.1:80/TCP")) == "no_local_endpoints");
}

TEST_CASE("a frontend whose service cannot be read is a bad state")
{
    auto tables = shop();
    tables.services[1].block.reset();
    CHECK(verdict(tables, to("10.96.0.1:80/TCP")) == "bad_state");
}

TEST_CASE("clients from outside use the outside list")
{
    auto tables = shop();
    put_service(tables, 2, name_of("web", LB_SCOPE_LOCAL), row_with({backend_at("10.1.0.1:8080", true)}));
    put_frontend(tables, "192.0.2.10:80/TCP",
                 {.inside = 1, .outside = 2, .kind = LB_KIND_LOAD_BALANCER, .flags = 0, .pad = 0});
    CHECK(story(tables, from_outside("203.0.113.9:1", "192.0.2.10:80/TCP")).contains("local list: id 2"));
    CHECK(story(tables, from_pod("10.1.0.9", "192.0.2.10:80/TCP")).contains("cluster list: id 1"));
}

TEST_CASE("affinity leads to the entry's backend, or to the client's hash, or to chance")
{
    auto tables = shop();
    put_service(tables, 1, name_of("web"),
                row_with({backend_at("10.1.0.1:8080", true), backend_at("10.1.0.2:8080")}, 60));
    const auto& block = *tables.services.at(1).block;
    auto flow = from_pod("10.1.0.9", "10.96.0.1:80/TCP");
    auto frontend = ctl::frontend_of(flow);
    Remembered remembered;
    remembered.client = lb_affinity_key{.client = flow.from->raw(),
                                        .frontend = frontend.addr,
                                        .port = frontend.port,
                                        .proto = frontend.proto,
                                        .by_cookie = 0,
                                        .pad = 0};

    auto hash = lb_hash_client(&remembered.client->client, &frontend, LB_DEFAULT_SEED);
    auto first = block.slots[lb_slot(hash, static_cast<std::uint16_t>(block.slots.size()))];
    CHECK(story(tables, flow, remembered).contains("no entry"));
    CHECK(story(tables, flow, remembered).contains("-> position " + std::to_string(first)));

    for (std::uint16_t position : std::initializer_list<std::uint16_t>{0, 1}) {
        remembered.affinity = lb_affinity{.last_seen = 990 * 250,
                                          .service = 1,
                                          .generation = block.rows[position].generation,
                                          .epoch = block.affinity_epoch,
                                          .position = position,
                                          .pad = 0};
        CHECK(story(tables, flow, remembered).contains("50s left"));
        CHECK(story(tables, flow, remembered).contains("entry -> position " + std::to_string(position)));
    }

    remembered.affinity->last_seen = 940 * 250;
    CHECK(story(tables, flow, remembered).contains("the entry expired"));
    remembered.affinity->last_seen = 990 * 250;
    remembered.affinity->generation += 100;
    CHECK(story(tables, flow, remembered).contains("takes no new flows"));
    remembered.affinity->service = 9;
    CHECK(story(tables, flow, remembered).contains("void"));
    remembered.client.reset();
    CHECK(story(tables, flow, remembered).contains("not known here"));
}

TEST_CASE("a tracked flow is told beside what a new one gets")
{
    auto flow = from_outside("203.0.113.9:4711", "10.96.0.1:80/TCP");
    Remembered remembered;
    remembered.entry = lb_ct{.to = addr("10.1.0.7").raw(),
                             .via = {},
                             .to_port = Port{8080}.raw(),
                             .via_port = 0,
                             .state = LB_CT_ESTABLISHED,
                             .flags = 0,
                             .position = 0,
                             .service = 1,
                             .generation = 1,
                             .last_seen = 995 * 250};
    CHECK(story(shop(), flow, remembered).contains("established to 10.1.0.7:8080, last seen 5s ago"));
}
