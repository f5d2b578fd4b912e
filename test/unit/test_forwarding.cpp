#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/backends.hpp"
#include "model/forwarding.hpp"

using namespace naru;
using namespace naru::test;

namespace {

Backends backends(std::initializer_list<const char*> addresses)
{
    std::vector<Backend> list;
    for (const auto* text : addresses)
        list.push_back({.at = at(text), .chosen = true, .serving = true});
    return list;
}

} // namespace

TEST_CASE("a way of forwarding is named as it is told, and no other name means one", "[forwarding]")
{
    for (auto forwarding : {Forwarding::snat, Forwarding::dsr})
        CHECK(forwarding_named(name_of(forwarding)) == forwarding);
    for (const auto* other : {"", "DSR", "dsr ", "tunnel", "snat (backends share an address)"})
        CHECK_FALSE(forwarding_named(other));
}

TEST_CASE("direct return needs backends that their address alone tells apart", "[forwarding]")
{
    auto apart = backends({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:81"});
    auto shared = backends({"10.0.0.1:80", "10.0.0.2:80", "10.0.0.2:81"});
    CHECK(possible(Forwarding::dsr, {}) == Forwarding::dsr);
    CHECK(possible(Forwarding::dsr, apart) == Forwarding::dsr);
    CHECK(possible(Forwarding::dsr, shared) == Forwarding::shared_address);
    CHECK(possible(Forwarding::snat, shared) == Forwarding::snat);
    CHECK(name_of(Forwarding::shared_address) == "snat (backends share an address)");
}
