#include "words.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lb/reason.h"

namespace naru::ctl {

namespace {

std::string unknown(std::uint32_t number) { return fmt::format("?{}", number); }

struct Reason {
    std::string_view key, meaning;
};

#define X(symbol, key, meaning) Reason{key, meaning},
constexpr std::array reasons{LB_REASONS(X)};
#undef X
static_assert(reasons.size() == LB_REASON_COUNT);

} // namespace

std::string kind_word(std::uint8_t kind)
{
    switch (kind) {
    case 0:
        return "address";
    case LB_KIND_CLUSTER_IP:
        return "ClusterIP";
    case LB_KIND_NODE_PORT:
        return "NodePort";
    case LB_KIND_LOAD_BALANCER:
        return "LoadBalancer";
    case LB_KIND_EXTERNAL_IP:
        return "ExternalIP";
    default:
        return unknown(kind);
    }
}

std::string type_word(std::uint8_t type)
{
    switch (type) {
    case LB_TYPE_CLUSTER_IP:
        return "ClusterIP";
    case LB_TYPE_NODE_PORT:
        return "NodePort";
    case LB_TYPE_LOAD_BALANCER:
        return "LoadBalancer";
    default:
        return unknown(type);
    }
}

std::string scope_word(std::uint8_t scope)
{
    switch (scope) {
    case LB_SCOPE_CLUSTER:
        return "cluster";
    case LB_SCOPE_LOCAL:
        return "local";
    default:
        return unknown(scope);
    }
}

std::string protocol_word(std::uint8_t proto)
{
    switch (auto protocol = static_cast<Protocol>(proto)) {
    case Protocol::tcp:
    case Protocol::udp:
    case Protocol::sctp:
        return std::string{text(protocol)};
    default:
        return unknown(proto);
    }
}

std::string ct_state_word(std::uint8_t state)
{
    switch (state) {
    case LB_CT_OPEN:
        return "open";
    case LB_CT_ESTABLISHED:
        return "established";
    case LB_CT_CLOSING:
        return "closing";
    default:
        return unknown(state);
    }
}

std::string_view reason_key(std::uint32_t reason)
{
    return reason < reasons.size() ? reasons[reason].key : "";
}

std::string_view reason_meaning(std::uint32_t reason)
{
    return reason < reasons.size() ? reasons[reason].meaning : "";
}

std::vector<std::string> backend_states(std::uint16_t flags)
{
    std::vector<std::string> words;
    bool terminating = (flags & LB_BACKEND_TERMINATING) != 0;
    if ((flags & LB_BACKEND_CHOSEN) && !terminating)
        words.emplace_back("ready");
    else if (flags & LB_BACKEND_SERVING)
        words.emplace_back("serving");
    if (terminating)
        words.emplace_back("terminating");
    if (flags & LB_BACKEND_LOCAL)
        words.emplace_back("local");
    return words;
}

std::vector<std::string> ct_flag_words(std::uint8_t flags)
{
    constexpr std::array<std::pair<std::uint8_t, std::string_view>, 6> known{{{LB_CT_HAIRPIN, "hairpin"},
                                                                              {LB_CT_SNAT, "snat"},
                                                                              {LB_CT_DSR, "dsr"},
                                                                              {LB_CT_REPLIED, "replied"},
                                                                              {LB_CT_SPOKE, "spoke"},
                                                                              {LB_CT_FIN, "fin"}}};
    std::vector<std::string> words;
    for (auto [bit, word] : known)
        if (flags & bit)
            words.emplace_back(word);
    return words;
}

std::string socket_text(const lb_addr& addr, __be16 port)
{
    return SocketAddress{Address::from(addr), Port::from(port)}.text();
}

bool is_wildcard(const lb_frontend_key& key) { return key.port == 0 && key.proto == 0; }

std::string frontend_text(const lb_frontend_key& key)
{
    auto exact = socket_text(key.addr, key.port);
    return is_wildcard(key) ? exact.substr(0, exact.rfind(':')) + ":*" : exact;
}

std::string duration(std::uint64_t seconds)
{
    constexpr std::uint64_t minute = 60, hour = 60 * minute, day = 24 * hour;
    if (seconds < minute)
        return fmt::format("{}s", seconds);
    if (seconds < hour)
        return fmt::format("{}m{}s", seconds / minute, seconds % minute);
    if (seconds < day)
        return fmt::format("{}h{}m", seconds / hour, seconds % hour / minute);
    return fmt::format("{}d{}h", seconds / day, seconds % day / hour);
}

std::string fixed(std::span<const char> chars) { return {chars.begin(), std::ranges::find(chars, '\0')}; }

} // namespace naru::ctl
