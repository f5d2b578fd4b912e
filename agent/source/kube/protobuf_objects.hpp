// The objects of the protobuf encoding, each from the bytes of its message.
#pragma once

#include <protozero/pbf_reader.hpp>

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

// All throw protozero::exception where the bytes are no message.
Metadata read_metadata(Message message);
Decoded read_service(Message message);
Decoded read_slice(Message message);
Decoded read_node(Message message);

} // namespace naru::kube
