// Bytes through a decoder, and what came out in words.
#pragma once

#include <ostream>
#include <span>
#include <string>

#include "source/kube/object.hpp"

namespace naru::test {

inline std::span<const std::byte> bytes(std::string_view text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

inline constexpr kube::Resource resources[]{kube::Resource::services, kube::Resource::endpoint_slices,
                                            kube::Resource::nodes};

inline constexpr std::string_view kinds[]{"Service", "EndpointSlice", "Node"};

} // namespace naru::test
