// What the agent stands on, opened in the order in which each part can refuse: a mistake of the user first,
// then what the kernel lacks, then what an earlier run has left.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/io_context.hpp>

#include "config.hpp"
#include "datapath/datapath.hpp"
#include "datapath/devices.hpp"
#include "datapath/kernel.hpp"
#include "datapath/udp_gone.hpp"
#include "source/manifest/manifests.hpp"
#include "verification.hpp"

namespace naru {

struct Foundation {
    std::optional<Manifests> manifests;
    Netlink netlink;
    Datapath datapath;
    std::unique_ptr<Verification> verification; ///< of the programs of `datapath`, under way
    Maps flows;                                 ///< for the sweep, the counters and naructl
    Kernel kernel;
    UdpGone udp_gone;
};

/// Attaches nothing, and what is attached goes on as it is.
Result<Foundation> open_foundation(const Config& config, boost::asio::io_context& io);

} // namespace naru
