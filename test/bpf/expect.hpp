// What tests expect of an outcome, in one place.
#pragma once

#include <catch2/catch.hpp>

#include "host.hpp"

namespace Catch {

template <>
struct StringMaker<naru::SocketAddress> {
    static std::string convert(const naru::SocketAddress& at) { return at.text(); }
};

} // namespace Catch

namespace naru::test {

/// Left alone: to the stack, byte for byte.
inline void check_untouched(const Outcome& got, const Bytes& sent)
{
    CHECK(name(got.reason) == "pass");
    CHECK(got.verdict == Verdict::to_stack);
    CHECK(got.frame == sent);
}

/// Refused in silence for this reason.
inline void check_dropped(const Outcome& got, lb_reason why)
{
    CHECK(name(got.reason) == name(why));
    CHECK(got.verdict == Verdict::drop);
}

/// Rewritten into exactly this, with right checksums.
inline void check_sent(const Outcome& got, lb_reason why, Verdict verdict, const Packet& expected)
{
    CHECK(name(got.reason) == name(why));
    CHECK(got.verdict == verdict);
    CHECK(got.packet() == expected);
}

} // namespace naru::test
