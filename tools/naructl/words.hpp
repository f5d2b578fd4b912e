// The numbers of the contract in words. A number without a word is printed as "?N": maps are input like any
// other.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lb/abi.h"
#include "model/address.hpp"

namespace naru::ctl {

std::string kind_word(std::uint8_t kind);              ///< "ClusterIP"; "address" for a wildcard row
std::string type_word(std::uint8_t type);              ///< "LoadBalancer"
std::string scope_word(std::uint8_t scope);            ///< "cluster", "local"
std::string protocol_word(std::uint8_t proto);         ///< "TCP"
std::string ct_state_word(std::uint8_t state);         ///< "established"
std::string_view reason_key(std::uint32_t reason);     ///< "no_backend"; empty beyond the list
std::string_view reason_meaning(std::uint32_t reason); ///< empty beyond the list

std::vector<std::string> backend_states(std::uint16_t flags); ///< {"ready", "local"}
std::vector<std::string> ct_flag_words(std::uint8_t flags);   ///< {"snat", "replied"}

/// "10.96.0.1:80"; "10.96.0.1:*" for the wildcard row of an address.
std::string frontend_text(const lb_frontend_key& key);
std::string socket_text(const lb_addr& addr, __be16 port);
bool is_wildcard(const lb_frontend_key& key);

/// "8s", "3m12s", "2h5m", "5d4h".
std::string duration(std::uint64_t seconds);

/// A character array that need not be terminated.
std::string fixed(std::span<const char> chars);

} // namespace naru::ctl
