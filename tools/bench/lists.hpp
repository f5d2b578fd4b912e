// Lists of objects as an API server answers them: every field it sends for an ordinary object, most of which
// naru skips.
#pragma once

#include <string>

#include "model/store.hpp"
#include "source/kube/object.hpp"

namespace naru::bench {

/// The Services or EndpointSlices of `snapshot` in one page.
std::string list_body(const Snapshot& snapshot, kube::Resource resource, kube::Encoding encoding);

} // namespace naru::bench
