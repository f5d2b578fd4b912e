#include <fmt/format.h>

#include "lb/reason.h"
#include "verbs.hpp"
#include "words.hpp"

namespace naru::ctl {

Table metrics(std::span<const Counter> counters)
{
    Table table{{{"HOOK", "hook"},
                 {"REASON", "reason"},
                 {"PACKETS", "packets"},
                 {"BYTES", "bytes"},
                 {"MEANING", "meaning"}},
                {}};
    for (const auto& counter : counters) {
        auto key = reason_key(counter.reason);
        bool unused = counter.packets == 0 && counter.bytes == 0;
        if (key.empty() && unused)
            continue;
        table.rows.push_back({{hook_word(counter.hook), key.empty() ? fmt::format("?{}", counter.reason) : std::string{key},
                               counter.packets, counter.bytes, std::string{reason_meaning(counter.reason)}},
                              unused});
    }
    return table;
}

} // namespace naru::ctl
