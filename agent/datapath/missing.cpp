#include "missing.hpp"

#include <fmt/format.h>

namespace naru {

std::vector<std::string> missing(const KernelFeatures& features, const DatapathOptions& options)
{
    std::vector<std::string> lines;
    if (!features.tcx)
        lines.emplace_back(
            "this kernel has no tcx (Linux 6.6): the programs on devices are clsact filters, which "
            "others can delete with a device's qdisc; naru puts them back when it looks, every 10 s");
    if (!features.fib_source)
        lines.emplace_back(
            "this kernel's route lookup names no source address (Linux 6.7): backends on other nodes "
            "see the first address of the device that leads to them, whatever the route prefers");
    if (options.socket_lb != SocketLb::off && !features.set_retval)
        lines.emplace_back(
            "this kernel's socket programs cannot choose an error (Linux 5.18): calls to Services that "
            "nobody serves are refused by packets instead of at once");
    if (features.largest_value < options.arena_bytes)
        lines.push_back(fmt::format(
            "this kernel's map values end at {} MiB (Linux 6.0 has no such limit): there is "
            "room for {} MiB of Services instead of {} MiB",
            features.largest_value >> 20, features.largest_value >> 20, options.arena_bytes >> 20));
    return lines;
}

} // namespace naru
