// The other way to do it in the kernel: NAT by nftables, as kube-proxy's nftables mode lays it out.
#pragma once

#include <string>
#include <vector>

#include "model/address.hpp"
#include "model/result.hpp"

namespace naru::bench {

/// A map of frontends to chains, a chain for the Service that draws an endpoint, a chain for each endpoint.
/// `others` more frontends fill the map.
std::string nft_rules(const SocketAddress& frontend, const std::vector<SocketAddress>& backends,
                      unsigned others);

/// Hands `rules` to nft(8), in this process's network namespace.
Result<> load_nft(const std::string& rules);

} // namespace naru::bench
