#include "nft.hpp"

#include <cstdio>

#include <fmt/format.h>

namespace naru::bench {

std::string nft_rules(const SocketAddress& frontend, const std::vector<SocketAddress>& backends,
                      unsigned others)
{
    std::string rules = "table ip bench {\n";
    std::string draw;
    for (std::size_t i = 0; i < backends.size(); ++i) {
        rules += fmt::format("chain endpoint-{} {{ meta l4proto tcp dnat to {}; }}\n", i, backends[i].text());
        draw += fmt::format("{}{} : goto endpoint-{}", i ? ", " : "", i, i);
    }
    rules +=
        fmt::format("chain service {{ numgen random mod {} vmap {{ {} }}; }}\nchain other {{ return; }}\n",
                    backends.size(), draw);
    std::string elements =
        fmt::format("{} . tcp . {} : goto service", frontend.address.text(), frontend.port.host);
    for (unsigned i = 0; i < others; ++i)
        elements += fmt::format(", 10.96.{}.{} . tcp . 80 : goto other", i / 250, i % 250 + 1);
    rules += "map services { type ipv4_addr . inet_proto . inet_service : verdict; elements = { " + elements +
             " }; }\n";
    rules += "chain output { type nat hook output priority -100; ip daddr . meta l4proto . th dport vmap "
             "@services; }\n";
    rules += "chain sources { type nat hook postrouting priority 100; }\n}\n";
    return rules;
}

Result<> load_nft(const std::string& rules)
{
    FILE* nft = ::popen("PATH=$PATH:/usr/sbin:/sbin nft -f - >/dev/null 2>&1", "w");
    if (!nft)
        return sys_error("start nft");
    bool written = std::fwrite(rules.data(), 1, rules.size(), nft) == rules.size();
    int status = ::pclose(nft);
    if (!written || status != 0)
        return error("nft is not installed, or it refused the rules");
    return {};
}

} // namespace naru::bench
