// The objects of the protobuf encoding, each from the bytes of its message.
#pragma once

#include <protozero/pbf_reader.hpp>

#include <string_view>

#include "build.hpp"

namespace naru::kube {

inline std::string_view view(protozero::data_view data) { return {data.data(), data.size()}; }

// All throw protozero::exception where the bytes are no message.
Metadata read_metadata(protozero::pbf_reader message);
Decoded read_service(protozero::pbf_reader message);
Decoded read_slice(protozero::pbf_reader message);
Decoded read_node(protozero::pbf_reader message);

} // namespace naru::kube
