// What can be measured. Each group adds its rows to the report.
#pragma once

#include "report.hpp"
#include "workspace.hpp"

namespace naru::bench {

struct Effort {
    Rounds rounds;
    unsigned runs = 100'000;       ///< of a program in one round
    unsigned connects = 500;       ///< of one client in one round
    unsigned publishes = 500;      ///< in one round
    unsigned stream_mib = 512;     ///< of one connection in one round
    unsigned round_trips = 5000;   ///< of one connection in one round
    unsigned services = 10'000;    ///< where many are wanted
    unsigned flows = 65'536;       ///< where many are wanted; a power of two
    unsigned flow_services = 1000; ///< that these flows go to
};

struct Context {
    Effort effort;
    Workspace workspace;
    Report& report;
};

Result<> measure_tc(Context& context);
Result<> measure_sock(Context& context);
Result<> measure_connect(Context& context);
Result<> measure_wire(Context& context);
Result<> measure_tables(Context& context);
Result<> measure_sync(Context& context);

} // namespace naru::bench
