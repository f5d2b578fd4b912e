// From YAML to the model, one function for each kind of object. What is wrong is told to `fields`; the value
// is then of no use.
#pragma once

#include <vector>

#include "fields.hpp"
#include "model/endpoint.hpp"
#include "model/node.hpp"
#include "model/service.hpp"

namespace naru {

inline constexpr std::string_view label_service_name = "kubernetes.io/service-name";
inline constexpr std::string_view annotation_algorithm = "naru.io/algorithm";
inline constexpr std::string_view annotation_weight = "naru.io/weight";
inline constexpr std::string_view annotation_forwarding = "naru.io/forwarding";
inline constexpr std::string_view label_headless = "service.kubernetes.io/headless";
inline constexpr std::string_view label_proxy_name = "service.kubernetes.io/service-proxy-name";
inline constexpr std::string_view label_zone = "topology.kubernetes.io/zone";

Service read_service(Fields& fields, const yaml::Value& object);
EndpointSlice read_slice(Fields& fields, const yaml::Value& object);
/// One slice for each subset and family, under names no real slice can have.
std::vector<EndpointSlice> read_endpoints(Fields& fields, const yaml::Value& object);
Node read_node(Fields& fields, const yaml::Value& object);

} // namespace naru
