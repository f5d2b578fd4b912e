// A map's memory, piece by piece.
#include <catch2/catch.hpp>

#include <bpf/bpf.h>
#include <sys/mman.h>

#include "datapath/fd.hpp"
#include "datapath/lazy_mapping.hpp"

using namespace naru;

namespace {

constexpr std::size_t whole = 5 * LazyMapping::piece / 2; // the last piece is half a one

UniqueFd mmapable_array()
{
    bpf_map_create_opts options{};
    options.sz = sizeof options;
    options.map_flags = BPF_F_MMAPABLE;
    return UniqueFd{bpf_map_create(BPF_MAP_TYPE_ARRAY, "lazy", 4, whole, 1, &options)};
}

} // namespace

TEST_CASE("only the pieces in use are in memory, and what is written there is in the map", "[mapping]")
{
    const auto map = mmapable_array();
    REQUIRE(map.get() >= 0);
    auto mapping = LazyMapping::open(map.get(), whole, PROT_READ | PROT_WRITE, "lazy");
    REQUIRE(mapping);
    CHECK(mapping->resident() == LazyMapping::piece);

    const auto border = 2 * LazyMapping::piece - 2;
    auto bytes = mapping->at(border, 4);
    REQUIRE(bytes);
    REQUIRE(bytes->size() == 4);
    CHECK(mapping->resident() == 3 * LazyMapping::piece);
    (*bytes)[0] = std::byte{1};
    (*bytes)[3] = std::byte{4};

    std::vector<std::byte> value(whole);
    const std::uint32_t key = 0;
    REQUIRE(bpf_map_lookup_elem(map.get(), &key, value.data()) == 0);
    CHECK(value[border] == std::byte{1});
    CHECK(value[border + 3] == std::byte{4});
}

TEST_CASE("a piece that reaches over the end is cut, one behind it is refused", "[mapping]")
{
    const auto map = mmapable_array();
    REQUIRE(map.get() >= 0);
    auto mapping = LazyMapping::open(map.get(), whole, PROT_READ | PROT_WRITE, "lazy");
    REQUIRE(mapping);
    CHECK(mapping->at(whole - 8, 100).value().size() == 8);
    CHECK_FALSE(mapping->at(whole + 1, 1));
}

TEST_CASE("a map that cannot be mapped is an error that names it", "[mapping]")
{
    const UniqueFd plain{bpf_map_create(BPF_MAP_TYPE_ARRAY, "plain", 4, 4096, 1, nullptr)};
    REQUIRE(plain.get() >= 0);
    auto mapping = LazyMapping::open(plain.get(), 4096, PROT_READ, "lb_arena");
    REQUIRE_FALSE(mapping);
    CHECK_THAT(mapping.error().message(), Catch::Contains("lb_arena"));
}
