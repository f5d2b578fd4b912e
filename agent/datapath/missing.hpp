// What this kernel lacks and naru does without: one line each for the log, with what it costs.
#pragma once

#include <string>
#include <vector>

#include "options.hpp"
#include "probe.hpp"

namespace naru {

std::vector<std::string> missing(const KernelFeatures& features, const DatapathOptions& options);

} // namespace naru
