#include "flow_sweep.hpp"

#include "datapath/jiffies.hpp"
#include "logging.hpp"

namespace naru {

void FlowSweep::run(std::span<const std::uint32_t> compared)
{
    const auto now = now_jiffies();
    const auto result =
        now ? sweep(maps_, config_, *now, compared) : Result<SweepResult>{std::unexpected{now.error()}};
    const auto failure = result ? std::string{} : result.error().message();
    if (!failure.empty() && failure != told_)
        log(Level::warning, failure + "; old flow entries stay until the kernel evicts them");
    told_ = failure;
    if (result)
        last_ = *result;
}

} // namespace naru
