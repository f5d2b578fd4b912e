#include "run_agent.hpp"

#include <sys/utsname.h>

#include <utility>

#include <boost/asio/io_context.hpp>

#include "agent.hpp"
#include "configz.hpp"
#include "foundation.hpp"
#include "logging.hpp"
#include "stop_signals.hpp"

namespace naru {

namespace {

std::string kernel_release()
{
    utsname name{};
    return ::uname(&name) == 0 ? name.release : "unknown";
}

} // namespace

Result<> run_agent(const Config& config)
{
    const auto started = Sync::Clock::now();
    boost::asio::io_context io{1};
    const StopSignals signals{[&io] { io.stop(); }};
    log(Level::info, "naru-agent " NARU_VERSION,
        {{"kernel", kernel_release()}, {"node", config.node_name}, {"config", to_json(config)}});
    auto foundation = open_foundation(config, io);
    if (!foundation)
        return std::unexpected{foundation.error()};

    Agent agent{io, started, config, std::move(*foundation)};
    if (auto able = agent.start(); !able)
        return able;
    io.run();
    if (agent.failure())
        return std::unexpected{*agent.failure()};
    log(Level::info, "stopping; the programs keep forwarding");
    return {};
}

} // namespace naru
