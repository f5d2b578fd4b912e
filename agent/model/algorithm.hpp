// Names of the algorithms that place new flows, as in the annotation naru.io/algorithm; the IPVS set after
// ipvsadm(8).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lb/abi.h"

namespace naru {

std::optional<lb_algorithm> algorithm_named(std::string_view name); ///< "maglev"; absent: no such one
std::string_view name_of(lb_algorithm algorithm);                   ///< "default" where none was chosen
std::string all_algorithms();                                       ///< "maglev, random, ... and nq"

/// Slots are a round that new flows walk through.
constexpr bool takes_turns(lb_algorithm algorithm)
{
    return algorithm == LB_ALGORITHM_RR || algorithm == LB_ALGORITHM_WRR;
}

/// Connections are counted.
constexpr bool compares_loads(lb_algorithm algorithm)
{
    return algorithm >= LB_ALGORITHM_LC && algorithm <= LB_ALGORITHM_NQ;
}

} // namespace naru
