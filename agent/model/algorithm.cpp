#include "algorithm.hpp"

#include <algorithm>
#include <array>

namespace naru {

namespace {

struct Named {
    lb_algorithm algorithm;
    std::string_view name;
};

constexpr std::array names{Named{LB_ALGORITHM_MAGLEV, "maglev"}, Named{LB_ALGORITHM_RANDOM, "random"},
                           Named{LB_ALGORITHM_SH, "sh"},         Named{LB_ALGORITHM_DH, "dh"},
                           Named{LB_ALGORITHM_RR, "rr"},         Named{LB_ALGORITHM_WRR, "wrr"},
                           Named{LB_ALGORITHM_LC, "lc"},         Named{LB_ALGORITHM_WLC, "wlc"},
                           Named{LB_ALGORITHM_SED, "sed"},       Named{LB_ALGORITHM_NQ, "nq"}};

} // namespace

std::optional<lb_algorithm> algorithm_named(std::string_view name)
{
    auto found = std::ranges::find(names, name, &Named::name);
    return found == names.end() ? std::nullopt : std::optional{found->algorithm};
}

std::string_view name_of(lb_algorithm algorithm)
{
    auto found = std::ranges::find(names, algorithm, &Named::algorithm);
    return found == names.end() ? "default" : found->name;
}

std::string all_algorithms()
{
    std::string all;
    for (const auto& each : names)
        all.append(&each == &names.front() ? "" : &each == &names.back() ? " and " : ", ").append(each.name);
    return all;
}

} // namespace naru
