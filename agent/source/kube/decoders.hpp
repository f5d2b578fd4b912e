// The two decoders behind make_decoder().
#pragma once

#include "object.hpp"

namespace naru::kube {

std::unique_ptr<Decoder> make_protobuf_decoder();
std::unique_ptr<Decoder> make_json_decoder();

} // namespace naru::kube
