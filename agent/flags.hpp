// Values of flags, one function each. Pure; an error is one clause that says what was given and what may be.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config.hpp"

namespace naru::flags {

Result<std::string> node_name(std::string_view value); ///< lower case, white space round it removed
Result<std::optional<std::set<std::string>>> devices(std::string_view value);
Result<ExternalIps> external_ips(std::string_view value);
Result<Forwarding> forwarding(std::string_view value);
Result<NodePortAddresses> node_port_addresses(std::string_view value);
Result<bool> on_off(std::string_view value);
Result<bool> closed(std::string_view value); ///< closed or open
Result<SocketLb> socket_lb(std::string_view value);
Result<XdpMode> xdp_mode(std::string_view value);
Result<BindAddress> bind_address(std::string_view value); ///< empty: do not listen
Result<std::vector<kube::Url>> api_servers(std::string_view value);
Result<std::string> label_value(std::string_view value);   ///< as a label may have it, not empty
Result<RelistLimits> relist_guard(std::string_view value); ///< "off", "50%" or "50%,10"
Result<int> verbosity(std::string_view value);
Result<bool> log_json(std::string_view value);
Result<std::filesystem::path> absolute_path(std::string_view value); ///< normal, without a slash at the end

/// bpffs keeps names with a dot for itself. `mounts`: where a bpffs is mounted.
Result<> usable_pin_path(const std::filesystem::path& path, std::span<const std::filesystem::path> mounts);

/// The word that was probably meant; none when all are far off.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> known);

} // namespace naru::flags
