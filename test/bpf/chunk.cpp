#include "chunk.hpp"

#include "lb/sctp.h"

namespace naru::test {

namespace {

Bytes word(std::size_t value)
{
    return {static_cast<std::uint8_t>(value >> 8 & 0xff), static_cast<std::uint8_t>(value & 0xff)};
}

Bytes padded(Bytes some)
{
    some.resize((some.size() + 3) / 4 * 4);
    return some;
}

} // namespace

Bytes operator+(Bytes left, const Bytes& right)
{
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

Bytes chunk(std::uint8_t type, const Bytes& body, std::uint8_t flags)
{
    return padded(Bytes{type, flags} + word(4 + body.size()) + body);
}

Bytes init(std::uint8_t type, const Bytes& parameters)
{
    const Bytes fixed{0x0b, 0xad, 0xca, 0xfe, 0x00, 0x01, 0xa0, 0x00,
                      0x00, 0x0a, 0xff, 0xff, 0x11, 0x22, 0x33, 0x44};
    return chunk(type, fixed + parameters);
}

Bytes parameter(std::uint16_t type, const Bytes& value)
{
    return padded(word(type) + word(4 + value.size()) + value);
}

Bytes data_chunk(std::size_t length)
{
    Bytes body(length - 4);
    for (std::size_t i = 0; i < body.size(); ++i)
        body[i] = static_cast<std::uint8_t>(i * 11 + i / 253);
    return chunk(LB_SCTP_DATA, body, 3);
}

Bytes chunk_saying(std::uint8_t tcp_flags)
{
    switch (tcp_flags) {
    case syn:
        return init(LB_SCTP_INIT);
    case syn | ack:
        return init(LB_SCTP_INIT_ACK, parameter(7, bytes("a cookie")));
    case rst:
        return chunk(LB_SCTP_ABORT, {});
    case fin | ack:
        return chunk(LB_SCTP_SHUTDOWN, {0, 0, 0, 1});
    default:
        return chunk(LB_SCTP_DATA, Bytes(12) + bytes("some data"), 3);
    }
}

} // namespace naru::test
