// The effective configuration as JSON, for /configz and the first lines of the log.
#pragma once

#include <string>

#include "config.hpp"

namespace naru {

/// One flat object: flag name -> value in the form the flag takes.
std::string to_json(const Config& config);

} // namespace naru
