#include "pieces.hpp"

#include <algorithm>
#include <map>

#include "checksum.hpp"

namespace naru::test {

namespace {

constexpr std::size_t fragment_header_bytes = 8;

std::uint16_t get16(const Bytes& frame, std::size_t at)
{
    return static_cast<std::uint16_t>(frame.at(at) << 8 | frame.at(at + 1));
}

void put16(Bytes& frame, std::size_t at, std::size_t value)
{
    frame.at(at) = static_cast<std::uint8_t>(value >> 8 & 0xff);
    frame.at(at + 1) = static_cast<std::uint8_t>(value & 0xff);
}

void put_header_checksum(Bytes& frame, std::size_t header)
{
    put16(frame, ip_offset() + 10, 0);
    put16(frame, ip_offset() + 10, fold(sum(std::span{frame}.subspan(ip_offset(), header))));
}

bool is_v4(const Bytes& frame) { return frame.at(ip_offset()) >> 4 == 4; }

/// A frame taken apart.
struct Taken {
    Bytes headers; ///< as of a whole packet without data
    Bytes data;
    std::size_t offset = 0;
    bool more = false;
    std::uint32_t id = 0;
};

Taken take_v4(const Bytes& frame)
{
    std::size_t header = (frame[ip_offset()] & 0xfu) * 4, behind = ip_offset() + header;
    auto word = get16(frame, ip_offset() + 6);
    Taken taken{.headers = {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(behind)},
                .data = {frame.begin() + static_cast<std::ptrdiff_t>(behind), frame.end()},
                .offset = (word & 0x1fffu) * 8,
                .more = (word & 0x2000) != 0,
                .id = get16(frame, ip_offset() + 4)};
    put16(taken.headers, ip_offset() + 2, 0);
    put16(taken.headers, ip_offset() + 6, word & 0xc000);
    put16(taken.headers, ip_offset() + 10, 0);
    return taken;
}

Taken take_v6(const Bytes& frame)
{
    std::size_t name = ip_offset() + 6, at = ip_offset() + 40;
    while (frame.at(name) != 44) {
        name = at;
        at += (frame.at(at + 1) + 1u) * 8;
    }
    auto word = get16(frame, at + 2);
    Taken taken{
        .headers = {frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(at)},
        .data = {frame.begin() + static_cast<std::ptrdiff_t>(at + fragment_header_bytes), frame.end()},
        .offset = word & 0xfff8u,
        .more = (word & 1) != 0,
        .id = static_cast<std::uint32_t>(get16(frame, at + 4)) << 16 | get16(frame, at + 6)};
    taken.headers[name] = frame[at];
    put16(taken.headers, ip_offset() + 4, 0);
    return taken;
}

} // namespace

std::size_t transport_bytes(const Packet& whole) { return build(whole).size() - l4_offset(whole); }

Bytes piece(const Packet& whole, const Part& part)
{
    auto frame = build(whole);
    auto at = static_cast<std::ptrdiff_t>(l4_offset(whole));
    auto size = frame.size() - l4_offset(whole);
    auto to = std::min(part.to, size);
    bool more = part.more || to < size;
    Bytes data{frame.begin() + at + static_cast<std::ptrdiff_t>(part.from),
               frame.begin() + at + static_cast<std::ptrdiff_t>(to)};
    frame.resize(l4_offset(whole));
    if (is_v4(frame)) {
        auto header = frame.size() - ip_offset();
        put16(frame, ip_offset() + 2, header + data.size());
        put16(frame, ip_offset() + 4, part.id);
        put16(frame, ip_offset() + 6, part.from / 8 | (more ? 0x2000u : 0u));
        put_header_checksum(frame, header);
    } else {
        std::size_t name = ip_offset() + 6;
        for (std::size_t next = ip_offset() + 40; next < frame.size(); next += (frame[next + 1] + 1u) * 8)
            name = next;
        Bytes header(fragment_header_bytes);
        header[0] = frame[name];
        frame[name] = 44;
        put16(header, 2, part.from | (more ? 1u : 0u));
        put16(header, 4, part.id >> 16);
        put16(header, 6, part.id & 0xffff);
        frame.insert(frame.end(), header.begin(), header.end());
        put16(frame, ip_offset() + 4, frame.size() - ip_offset() - 40 + data.size());
    }
    frame.insert(frame.end(), data.begin(), data.end());
    return frame;
}

std::vector<Bytes> pieces(const Packet& whole, std::size_t each, std::uint32_t id)
{
    std::vector<Bytes> all;
    for (std::size_t at = 0, size = transport_bytes(whole); at < size; at += each)
        all.push_back(piece(whole, {.from = at, .to = at + each, .id = id}));
    return all;
}

std::optional<Packet> join(std::span<const Bytes> frames)
{
    std::map<std::size_t, Taken> parts;
    for (const auto& frame : frames) {
        if (!checksum_errors(frame).empty())
            return std::nullopt;
        auto taken = is_v4(frame) ? take_v4(frame) : take_v6(frame);
        auto offset = taken.offset;
        if (!parts.emplace(offset, std::move(taken)).second)
            return std::nullopt;
    }
    if (parts.empty())
        return std::nullopt;
    const auto& first = parts.begin()->second;
    auto whole = first.headers;
    std::size_t next = 0, left = parts.size();
    for (const auto& [offset, part] : parts) {
        if (offset != next || part.headers != first.headers || part.id != first.id ||
            part.more != (--left > 0))
            return std::nullopt;
        whole.insert(whole.end(), part.data.begin(), part.data.end());
        next += part.data.size();
    }
    auto header = first.headers.size() - ip_offset();
    if (is_v4(whole)) {
        put16(whole, ip_offset() + 2, header + next);
        put_header_checksum(whole, header);
    } else {
        put16(whole, ip_offset() + 4, header - 40 + next);
    }
    return checksum_errors(whole).empty() ? read(whole) : std::nullopt;
}

} // namespace naru::test
