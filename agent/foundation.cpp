#include "foundation.hpp"

#include <array>
#include <utility>

#include "logging.hpp"
#include "status.hpp"

namespace naru {

namespace {

Result<std::optional<Manifests>> open_manifests(const Config& config)
{
    if (config.manifests.empty())
        return std::nullopt;
    auto opened = Manifests::open(config.manifests, config.node_name);
    if (!opened)
        return std::unexpected{opened.error()};
    return std::move(*opened);
}

Result<Kernel> read_back(Maps maps, std::uint32_t seed)
{
    std::vector<std::string> findings;
    auto kernel = Kernel::open(std::move(maps), seed, findings);
    for (const auto& each : findings)
        log(Level::warning, "found in the tables and left out: " + each);
    if (kernel && !kernel->installed().empty())
        log(Level::info, "adopted " + summary(kernel->installed()));
    return kernel;
}

Result<UdpGone> open_udp_gone(Maps maps, const Tables& installed)
{
    std::vector<std::string> lacking;
    auto udp_gone = UdpGone::open(std::move(maps), installed, lacking);
    for (const auto& each : lacking)
        log(Level::warning, each);
    return udp_gone;
}

} // namespace

Result<Foundation> open_foundation(const Config& config, boost::asio::io_context& io)
{
    auto manifests = open_manifests(config);
    if (!manifests)
        return std::unexpected{manifests.error()};
    if (config.api_from_environment)
        log(Level::warning, "KUBERNETES_SERVICE_HOST is a Service's address, which this agent may have to "
                            "provide itself: give "
                            "--kubernetes-api with addresses of API servers");
    auto netlink = Netlink::open();
    if (!netlink)
        return std::unexpected{netlink.error()};
    auto datapath = Datapath::prepare(config.datapath);
    if (!datapath)
        return std::unexpected{datapath.error()};
    auto verification = std::make_unique<Verification>(io, datapath->loader());

    std::array<Result<Maps>, 3> maps{datapath->maps(), datapath->maps(), datapath->maps()};
    for (const auto& opened : maps)
        if (!opened)
            return std::unexpected{opened.error()};
    auto kernel = read_back(std::move(*maps[0]), config.datapath.seed);
    if (!kernel)
        return std::unexpected{kernel.error()};
    auto udp_gone = open_udp_gone(std::move(*maps[1]), kernel->installed());
    if (!udp_gone)
        return std::unexpected{udp_gone.error()};
    return Foundation{.manifests = std::move(*manifests),
                      .netlink = std::move(*netlink),
                      .datapath = std::move(*datapath),
                      .verification = std::move(verification),
                      .flows = std::move(*maps[2]),
                      .kernel = std::move(*kernel),
                      .udp_gone = std::move(*udp_gone)};
}

} // namespace naru
