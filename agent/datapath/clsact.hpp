// tc filters of clsact, for kernels without tcx. A filter is no object that can be pinned, so the program
// that runs in it is: at the place where the link would be. A filter is ours when it runs that program.
#pragma once

#include <cstdint>
#include <filesystem>

#include "model/result.hpp"

namespace naru::clsact {

/// Puts `program` into our filter on one side of a device, replacing an earlier one in place. `marker`: the
/// pin.
Result<> put(const std::filesystem::path& marker, std::uint32_t ifindex, bool ingress, int program);

/// Removes our filter, if it is there, and then the pin. The clsact qdisc stays: others may use it.
Result<> remove(const std::filesystem::path& marker, std::uint32_t ifindex, bool ingress);

/// Is our filter there?
bool alive(const std::filesystem::path& marker, std::uint32_t ifindex, bool ingress);

} // namespace naru::clsact
