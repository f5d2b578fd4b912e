#include "checksum.hpp"

namespace naru::test {

namespace {

using View = std::span<const std::uint8_t>;

std::uint16_t word(View bytes, std::size_t at)
{
    return static_cast<std::uint16_t>(bytes[at] << 8 | bytes[at + 1]);
}

std::string sctp_errors(View segment)
{
    constexpr std::size_t at = 8, header = 12;
    if (segment.size() < header)
        return "SCTP header cut off";
    std::vector<std::uint8_t> blank{segment.begin(), segment.end()};
    std::uint32_t told = 0;
    for (std::size_t i = 0; i < 4; ++i) {
        told |= std::uint32_t{blank[at + i]} << 8 * i;
        blank[at + i] = 0;
    }
    return crc32c(blank) == told ? "" : "SCTP checksum";
}

std::string transport_errors(View src, View dst, std::uint8_t protocol, View segment, bool v4)
{
    if (protocol == proto_sctp)
        return sctp_errors(segment);
    bool with_pseudo = protocol == proto_tcp || protocol == proto_udp || protocol == proto_icmp6;
    if (!with_pseudo && protocol != proto_icmp)
        return {};
    if (segment.size() < 8)
        return "transport header cut off";
    if (protocol == proto_udp && word(segment, 6) == 0)
        return v4 ? "" : "zero UDP checksum over IPv6";
    auto start = with_pseudo ? pseudo_sum(src, dst, protocol, segment.size()) : 0;
    return fold(sum(segment, start)) == 0 ? "" : "transport checksum of protocol " + std::to_string(protocol);
}

} // namespace

std::uint32_t sum(View bytes, std::uint32_t start)
{
    std::uint64_t total = start;
    for (std::size_t i = 0; i < bytes.size(); i += 2)
        total += static_cast<std::uint64_t>(bytes[i] << 8) + (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    return static_cast<std::uint32_t>(total);
}

std::uint16_t fold(std::uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(~sum);
}

std::uint32_t pseudo_sum(View src, View dst, std::uint8_t protocol, std::size_t length)
{
    auto addresses = sum(dst, sum(src));
    return addresses + static_cast<std::uint32_t>(length >> 16) +
           static_cast<std::uint32_t>(length & 0xffff) + protocol;
}

std::uint32_t crc32c(View bytes)
{
    std::uint32_t crc = 0xffffffff;
    for (auto byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

std::string checksum_errors(const Bytes& frame)
{
    View ip = View{frame}.subspan(14);
    if (ip[0] >> 4 == 4) {
        std::size_t header = (ip[0] & 0xfu) * 4;
        if (fold(sum(ip.first(header))) != 0)
            return "IPv4 header checksum";
        if (word(ip, 6) & 0x3fff)
            return {}; // a fragment's transport checksum covers what is elsewhere
        return transport_errors(ip.subspan(12, 4), ip.subspan(16, 4), ip[9],
                                ip.subspan(header, word(ip, 2) - header), true);
    }
    auto next = ip[6];
    std::size_t at = 40, end = 40u + word(ip, 4);
    while (next == 0 || next == 43 || next == 44 || next == 60) {
        if (next == 44 && (word(ip, at + 2) & 0xfff9))
            return {};
        next = ip[at];
        at += (ip[at + 1] + 1u) * 8;
    }
    return transport_errors(ip.subspan(8, 16), ip.subspan(24, 16), next, ip.subspan(at, end - at), false);
}

} // namespace naru::test
