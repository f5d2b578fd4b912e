#include <catch2/catch.hpp>

#include <set>

#include "builders.hpp"
#include "model/address.hpp"

using namespace naru;
using namespace naru::test;

TEST_CASE("addresses are read and written in their canonical form", "[address]")
{
    auto [written, canonical] = GENERATE(table<std::string, std::string>({
        {"10.96.0.1", "10.96.0.1"},
        {"010.096.000.001", "10.96.0.1"},
        {"0.0.0.0", "0.0.0.0"},
        {"255.255.255.255", "255.255.255.255"},
        {"::", "::"},
        {"::1", "::1"},
        {"FD00:0:0:0:0:0:0:1", "fd00::1"},
        {"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},
        {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},
        {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},
        {"1:2:3:4:5:6:0:0", "1:2:3:4:5:6::"},
        {"::102:304", "::102:304"},
        {"::ffff:10.0.0.1", "10.0.0.1"},
    }));
    auto address = Address::parse(written);
    REQUIRE(address);
    CHECK(address->text() == canonical);
    CHECK(Address::from(address->raw()) == *address);
}

TEST_CASE("what is no address is refused", "[address]")
{
    const auto* written =
        GENERATE("", " ", "10.0.0", "10.0.0.0.1", "10.0.0.256", "10.0.0.-1", "10.0.0.1 ", "10..0.1",
                 "10.0.0.1:80", "fe80::1%eth0", ":::", "1:2:3:4:5:6:7:8:9", "12345::", "example.org",
                 "4294967306.0.0.1", "1.2.3.4.", "::ffff:10.0.0.01x");
    CAPTURE(written);
    CHECK_FALSE(Address::parse(written));
    CHECK_FALSE(Address::parse(std::string("::1\0x", 5)));
}

TEST_CASE("IPv4 is IPv4 mapped into IPv6", "[address]")
{
    CHECK(addr("10.0.0.1").family() == Family::v4);
    CHECK(addr("::ffff:10.0.0.1") == addr("10.0.0.1"));
    CHECK(addr("fd00::1").family() == Family::v6);
    CHECK(addr("::10.0.0.1").family() == Family::v6);
    CHECK(addr("10.0.0.1").raw().bytes[10] == 0xff);
    CHECK(addr("10.0.0.1").raw().bytes[12] == 10);
    CHECK(Port{80}.raw() == __builtin_bswap16(80));
    CHECK(Port::from(Port{8080}.raw()).host == 8080);
}

TEST_CASE("addresses nobody may serve are named by their kind", "[address]")
{
    auto [written, kind] = GENERATE(table<std::string, std::string>({
        {"127.0.0.1", "loopback"},
        {"127.255.255.255", "loopback"},
        {"::1", "loopback"},
        {"0.0.0.0", "unspecified"},
        {"::", "unspecified"},
        {"169.254.0.1", "link-local"},
        {"fe80::1", "link-local"},
        {"febf::1", "link-local"},
        {"224.0.0.1", "multicast"},
        {"239.255.255.255", "multicast"},
        {"ff02::1", "multicast"},
        {"255.255.255.255", "broadcast"},
    }));
    CAPTURE(written);
    REQUIRE(addr(written).why_unservable() != nullptr);
    CHECK(addr(written).why_unservable() == kind);
}

TEST_CASE("ordinary addresses may be served", "[address]")
{
    const auto* written =
        GENERATE("10.0.0.1", "126.255.255.255", "128.0.0.1", "169.253.0.1", "223.255.255.255",
                 "255.255.255.254", "fd00::1", "fec0::1", "2001:db8::1", "::2");
    CAPTURE(written);
    CHECK(addr(written).why_unservable() == nullptr);
}

TEST_CASE("a network counts bits in its own family and clears the host's", "[address]")
{
    CHECK(cidr("10.1.2.3/8").text() == "10.0.0.0/8");
    CHECK(cidr("10.1.2.3/32").text() == "10.1.2.3/32");
    CHECK(cidr("10.255.255.255/9").text() == "10.128.0.0/9");
    CHECK(cidr("10.1.2.3/0").text() == "0.0.0.0/0");
    CHECK(cidr("fd00::1/64").text() == "fd00::/64");
    CHECK(cidr("::1/0").text() == "::/0");

    CHECK(cidr("10.0.0.0/8").contains(addr("10.255.255.255")));
    CHECK_FALSE(cidr("10.0.0.0/8").contains(addr("11.0.0.0")));
    CHECK(cidr("10.0.0.4/30").contains(addr("10.0.0.7")));
    CHECK_FALSE(cidr("10.0.0.4/30").contains(addr("10.0.0.8")));
    CHECK(cidr("fd00::/8").contains(addr("fdff::1")));
}

TEST_CASE("a network never contains an address of the other family", "[address]")
{
    CHECK_FALSE(cidr("::/0").contains(addr("10.0.0.1")));
    CHECK_FALSE(cidr("0.0.0.0/0").contains(addr("fd00::1")));
}

TEST_CASE("what is no network is refused", "[address]")
{
    const auto* written =
        GENERATE("", "/", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8/8",
                 "10.0.0.0/ 8", "fd00::/129", "/8", "10.0.0/8", "10.0.0.0/4294967304");
    CAPTURE(written);
    CHECK_FALSE(Cidr::parse(written));
}

TEST_CASE("protocols are read as the API writes them", "[address]")
{
    CHECK(parse_protocol("TCP") == Protocol::tcp);
    CHECK(parse_protocol("UDP") == Protocol::udp);
    CHECK(parse_protocol("SCTP") == Protocol::sctp);
    CHECK_FALSE(parse_protocol("tcp"));
    CHECK_FALSE(parse_protocol(""));
}

TEST_CASE("a port stands behind the brackets of an IPv6 address", "[address]")
{
    CHECK(at("10.0.0.1:80").text() == "10.0.0.1:80");
    CHECK(at("[fd00::1]:80").text() == "[fd00::1]:80");
}

TEST_CASE("equal addresses have equal hashes and neighbours differ", "[address]")
{
    std::set<std::size_t> hashes;
    for (int i = 0; i < 256; ++i)
        hashes.insert(AddressHash{}(addr("10.0.0." + std::to_string(i))));
    CHECK(hashes.size() == 256);
    CHECK(AddressHash{}(addr("10.0.0.1")) == AddressHash{}(addr("::ffff:10.0.0.1")));
}
