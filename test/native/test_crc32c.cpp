#include <catch2/catch.hpp>
#include <rapidcheck/catch.h>

#include <algorithm>
#include <vector>

#include "lb/crc32c.h"

namespace {

using Bytes = std::vector<__u8>;

/// RFC 9260 appendix A, the slow and obvious way.
__u32 crc_of(const Bytes& bytes)
{
    __u32 crc = 0xffffffff;
    for (auto byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

/// The first four bytes, as the patch takes them.
__u32 first_of(const Bytes& bytes)
{
    return bytes[0] | __u32{bytes[1]} << 8 | __u32{bytes[2]} << 16 | __u32{bytes[3]} << 24;
}

Bytes of_length(std::size_t length)
{
    Bytes bytes(length);
    for (std::size_t i = 0; i < length; ++i)
        bytes[i] = static_cast<__u8>(i * 131 + i / 255 + 7);
    return bytes;
}

/// The checksum after the first four bytes became others: patched, and made anew.
void compare(Bytes bytes, const Bytes& instead)
{
    auto before = crc_of(bytes), change = first_of(bytes) ^ first_of(instead);
    std::copy(instead.begin(), instead.begin() + 4, bytes.begin());
    auto length = static_cast<__u32>(bytes.size());
    CHECK((before ^ lb_crc32c_gain(change, length)) == crc_of(bytes));
}

} // namespace

TEST_CASE("the judge of these tests knows the checksums that RFC 3720 prints")
{
    Bytes ascending;
    for (__u8 i = 0; i < 32; ++i)
        ascending.push_back(i);
    CHECK(crc_of(Bytes(32)) == 0x8a9136aa);
    CHECK(crc_of(Bytes(32, 0xff)) == 0x62a8ab43);
    CHECK(crc_of(ascending) == 0x46dd794e);
}

TEST_CASE("a patched CRC32c is the one that is made anew, for every bit of a length")
{
    for (std::size_t length :
         {4u,   5u,   7u,   8u,    16u,   31u,   32u,   33u,   64u,   127u,   128u,   255u,
          256u, 511u, 512u, 1024u, 1452u, 2048u, 4095u, 4096u, 8192u, 16384u, 32768u, 65535u}) {
        CAPTURE(length);
        compare(of_length(length), {0x1f, 0x90, 0x00, 0x50});
        compare(of_length(length), {0, 0, 0, 0});
        compare(of_length(length), of_length(length)); // nothing changes
    }
}

TEST_CASE("a patched CRC32c is the one that is made anew, whatever the bytes are")
{
    rc::prop("random packets, random ports", [] {
        auto bytes = *rc::gen::container<Bytes>(rc::gen::arbitrary<__u8>());
        auto more = *rc::gen::inRange<std::size_t>(4, 2000);
        bytes.resize(bytes.size() + more, static_cast<__u8>(more));
        auto instead = *rc::gen::container<Bytes>(4, rc::gen::arbitrary<__u8>());
        auto before = crc_of(bytes), change = first_of(bytes) ^ first_of(instead);
        std::copy(instead.begin(), instead.end(), bytes.begin());
        RC_ASSERT((before ^ lb_crc32c_gain(change, static_cast<__u32>(bytes.size()))) == crc_of(bytes));
    });
}
