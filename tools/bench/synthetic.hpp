// Services, endpoints and flows made up for measuring: numbered, so that every run has the same ones.
#pragma once

#include <cstdint>
#include <vector>

#include "datapath/datapath.hpp"
#include "datapath/kernel.hpp"
#include "flow.h"
#include "model/store.hpp"
#include "model/tables.hpp"

namespace naru::bench {

struct Shape {
    unsigned services = 1;
    unsigned backends = 10; ///< of each
};

Address address(Family family, std::uint32_t prefix,
                std::uint32_t host); ///< v4: prefix | host; v6: fdPP::host
SocketAddress frontend(Family family, std::uint32_t service);
SocketAddress backend(Family family, std::uint32_t number);

ServiceId service_id(Family family, Protocol protocol, std::uint32_t service);
ServiceRow service_row(const std::vector<SocketAddress>& backends);
std::vector<SocketAddress> backends_of(Family family, const Shape& shape, std::uint32_t service);

/// The tables of programs as the agent opens them.
Result<Kernel> kernel_of(const Datapath& datapath);

/// The service and its ClusterIP frontend; backends must be sorted.
Result<> install(Kernel& kernel, Protocol protocol, Family family, std::uint32_t service,
                 const std::vector<SocketAddress>& backends);
Result<> install_all(Kernel& kernel, Protocol protocol, Family family, const Shape& shape);

/// `count` clients, each with one flow to a Service picked uniformly; the same for the same arguments.
std::vector<bench_flow> flows_to_services(Family family, unsigned count, unsigned services);

/// The same for addresses that are no Service's.
std::vector<bench_flow> flows_elsewhere(Family family, unsigned count);

/// v1 objects as a source would list them.
Snapshot objects(const Shape& shape);

} // namespace naru::bench
