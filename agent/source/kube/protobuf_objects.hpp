// The objects of the protobuf encoding, each from the bytes of its message.
#pragma once

#include <protozero/pbf_reader.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "build.hpp"

namespace naru::kube {

/// A message whose bytes are not believed: a field of another type than its number promises ends the object,
/// in every build (protozero alone leaves that to assertions).
class Message {
public:
    explicit Message(std::string_view bytes) : reader_{bytes.data(), bytes.size()} {}

    bool next() { return reader_.next(); }
    bool next(protozero::pbf_tag_type tag) { return reader_.next(tag); } ///< skips other fields
    protozero::pbf_tag_type tag() const { return reader_.tag(); }
    void skip() { reader_.skip(); }
    std::size_t bytes_left() const { return reader_.length(); }

    // The value of the field at hand.
    std::string_view text()
    {
        expect(protozero::pbf_wire_type::length_delimited);
        const auto bytes = reader_.get_view();
        return {bytes.data(), bytes.size()};
    }
    Message message() { return Message{text()}; }
    std::int64_t integer()
    {
        expect(protozero::pbf_wire_type::varint);
        return reader_.get_int64();
    }
    bool boolean() { return integer() != 0; }

private:
    void expect(protozero::pbf_wire_type type) const
    {
        if (reader_.wire_type() != type)
            throw protozero::unknown_pbf_wire_type_exception{};
    }

    protozero::pbf_reader reader_;
};

// All below throw protozero::exception where the bytes are no message.

/// Room for the elements of a repeated field, from field to field without looking into any. Where they are
/// shorter than `least` bytes on average most of them are of no use, and room is not given for the asking.
inline std::size_t room_for(Message message, protozero::pbf_tag_type tag, std::size_t least)
{
    const auto most = message.bytes_left() / least;
    std::size_t count = 0;
    for (; message.next(tag); message.skip())
        ++count;
    return std::min(count, most);
}

Metadata read_metadata(Message message);
Decoded read_service(Message message);
Decoded read_slice(Message message);
Decoded read_node(Message message);

} // namespace naru::kube
