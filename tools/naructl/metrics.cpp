#include "verbs.hpp"

namespace naru::ctl {

Table metrics(std::span<const ReasonCount> counts)
{
    Table table{{{"HOOK", "hook"},
                 {"REASON", "reason"},
                 {"PACKETS", "packets"},
                 {"BYTES", "bytes"},
                 {"MEANING", "meaning"}},
                {}};
    for (const auto& count : counts)
        table.rows.push_back({{std::string{count.hook}, std::string{count.reason}, count.packets, count.bytes,
                               std::string{count.meaning}},
                              count.packets == 0 && count.bytes == 0});
    return table;
}

} // namespace naru::ctl
