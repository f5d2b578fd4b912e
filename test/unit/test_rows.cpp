// Rows as values and as bytes: there and back, and distrust of what contradicts itself.
#include <catch2/catch.hpp>

#include <cstring>

#include "datapath/rows.hpp"

using namespace naru;

namespace {

Address addr(const char* text) { return Address::parse(text).value(); }

ServiceId id()
{
    return {.key = {"shop", "web"},
            .uid = "uid",
            .port_name = "http",
            .protocol = Protocol::udp,
            .family = Family::v6,
            .scope = Scope::local};
}

} // namespace

TEST_CASE("frontend keys go there and back", "[rows]")
{
    for (const auto& key :
         {FrontendKey{addr("10.96.0.1"), {80}, Protocol::tcp},
          FrontendKey{addr("fd96::1"), {53}, Protocol::udp},
          FrontendKey{addr("10.96.0.1"), {36412}, Protocol::sctp}, FrontendKey{addr("10.96.0.1"), {}, {}}}) {
        INFO(key.text());
        CHECK(from_raw(to_raw(key)) == key);
    }
}

TEST_CASE("a frontend key that says two things is none", "[rows]")
{
    auto raw = to_raw(FrontendKey{addr("10.96.0.1"), {80}, Protocol::tcp});
    auto without_proto = raw, without_port = raw, padded = raw, strange = raw;
    without_proto.proto = 0;
    without_port.port = 0;
    padded.pad2 = 1;
    strange.proto = 1;
    for (const auto& each : {without_proto, without_port, padded, strange})
        CHECK_FALSE(from_raw(each));
}

TEST_CASE("frontend rows keep kind and flags", "[rows]")
{
    FrontendKey key{addr("10.96.0.1"), {80}, Protocol::tcp};
    for (int flags = 0; flags < 16; ++flags) {
        FrontendRow row;
        row.kind = LB_KIND_EXTERNAL_IP;
        row.host_only = flags & 1;
        row.node_address = flags & 2;
        row.ranges = flags & 4;
        row.admits_node = flags & 8;
        auto raw = to_raw(row, 7, 8);
        CHECK(raw.inside == 7);
        CHECK(raw.outside == 8);
        CHECK(from_raw(key, raw) == row);
    }
}

TEST_CASE("a frontend row with unknown kind or flags, or a wildcard with services, is none", "[rows]")
{
    FrontendKey key{addr("10.96.0.1"), {80}, Protocol::tcp}, wildcard{addr("10.96.0.1"), {}, {}};
    auto raw = to_raw(FrontendRow{}, 7, 7);
    CHECK_FALSE(from_raw(wildcard, raw));
    CHECK_FALSE(from_raw(key, lb_frontend{}));
    raw.kind = 9;
    CHECK_FALSE(from_raw(key, raw));
    raw = to_raw(FrontendRow{}, 7, 7);
    raw.flags = 0x80;
    CHECK_FALSE(from_raw(key, raw));
}

TEST_CASE("only what has connections leaves a tombstone: TCP and SCTP", "[rows]")
{
    FrontendRow row;
    row.node_address = true;
    row.ranges = true;
    row.kind = LB_KIND_NODE_PORT;
    auto rest = tombstone({addr("192.0.2.1"), {30080}, Protocol::tcp}, row);
    REQUIRE(rest);
    CHECK(is_tombstone(*rest));
    CHECK(rest->flags == (LB_FRONTEND_TOMBSTONE | LB_FRONTEND_NODE_ADDRESS));
    CHECK(rest->kind == LB_KIND_NODE_PORT);
    CHECK(rest->inside == 0);
    CHECK(tombstone({addr("192.0.2.1"), {30080}, Protocol::sctp}, row)->flags == rest->flags);
    CHECK_FALSE(tombstone({addr("192.0.2.1"), {30080}, Protocol::udp}, row));
    CHECK_FALSE(tombstone({addr("192.0.2.1"), {}, {}}, row));
    row.host_only = true;
    CHECK_FALSE(tombstone({addr("127.0.0.1"), {30080}, Protocol::tcp}, row));
}

TEST_CASE("names of services go there and back", "[rows]")
{
    auto raw = to_raw(id(), LB_TYPE_LOAD_BALANCER);
    REQUIRE(raw);
    auto back = from_raw(*raw);
    REQUIRE(back);
    CHECK(back->id == id());
    CHECK(back->type == LB_TYPE_LOAD_BALANCER);
}

TEST_CASE("a name that does not fit is refused, one that cannot be read is none", "[rows]")
{
    auto longest = id();
    longest.key.name = std::string(LB_NAME_LEN - 1, 'n');
    REQUIRE(to_raw(longest, LB_TYPE_CLUSTER_IP));
    longest.key.name = longest.key.name + "n";
    CHECK_FALSE(to_raw(longest, LB_TYPE_CLUSTER_IP));
    auto cut = id();
    cut.key.ns = std::string{"a\0b", 3};
    CHECK_FALSE(to_raw(cut, LB_TYPE_CLUSTER_IP));

    auto good = *to_raw(id(), LB_TYPE_CLUSTER_IP);
    auto endless = good, family = good, scope = good, type = good, proto = good, nameless = good;
    std::memset(endless.uid, 'x', sizeof endless.uid);
    family.family = 5;
    scope.scope = 0;
    type.type = 9;
    proto.proto = 1;
    nameless.name[0] = '\0';
    for (const auto& each : {endless, family, scope, type, proto, nameless})
        CHECK_FALSE(from_raw(each));
}

TEST_CASE("source ranges count the bits of the service number and of the mapping", "[rows]")
{
    auto v4 = to_raw(7, *Cidr::parse("10.0.0.0/8")), v6 = to_raw(7, *Cidr::parse("2001:db8::/32"));
    CHECK(v4.prefixlen == 32 + 96 + 8);
    CHECK(v6.prefixlen == 32 + 32);
    CHECK(network_of(v4) == Cidr::parse("10.0.0.0/8"));
    CHECK(network_of(v6) == Cidr::parse("2001:db8::/32"));
    CHECK(network_of(to_raw(7, *Cidr::parse("0.0.0.0/0"))) == Cidr::parse("0.0.0.0/0"));
    v4.prefixlen = 32 + 95;
    CHECK_FALSE(network_of(v4));
    v6.prefixlen = 32 + 129;
    CHECK_FALSE(network_of(v6));
}
