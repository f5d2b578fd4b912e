#include "synthetic.hpp"

#include <random>

#include <fmt/format.h>

namespace naru::bench {

namespace {

constexpr std::uint32_t seed = 1;
constexpr Port frontend_port{80}, backend_port{8080};

// 10.200/16 and up, 10.96/12, 10.64/11, 10.32/16; in IPv6 the same numbers tell the prefixes apart.
constexpr std::uint32_t client_net = 0x0ac80000, frontend_net = 0x0a600000, backend_net = 0x0a400000,
                        elsewhere_net = 0x0a200000;

std::vector<bench_flow> flows(Family family, unsigned count, std::uint32_t to_net, unsigned targets)
{
    std::mt19937 engine{seed};
    auto random = [&] { return static_cast<std::uint32_t>(engine()); };
    std::vector<bench_flow> all(count);
    for (unsigned i = 0; i < count; ++i) {
        auto sport = static_cast<std::uint16_t>(32768 + random() % 28000);
        all[i] = {.src = address(family, client_net, i + 1).raw(),
                  .dst = address(family, to_net, random() % targets + 1).raw(),
                  .sport = Port{sport}.raw(),
                  .dport = frontend_port.raw(),
                  .pad = 0};
    }
    return all;
}

} // namespace

Address address(Family family, std::uint32_t prefix, std::uint32_t host)
{
    Address result;
    auto& bytes = result.bytes;
    if (family == Family::v4) {
        std::uint32_t whole = prefix + host;
        bytes[10] = bytes[11] = 0xff;
        for (unsigned i = 0; i < 4; ++i)
            bytes[12 + i] = static_cast<std::uint8_t>(whole >> (24 - 8 * i));
    } else {
        bytes[0] = 0xfd;
        for (unsigned i = 0; i < 4; ++i) {
            bytes[4 + i] = static_cast<std::uint8_t>(prefix >> (24 - 8 * i));
            bytes[12 + i] = static_cast<std::uint8_t>(host >> (24 - 8 * i));
        }
    }
    return result;
}

SocketAddress frontend(Family family, std::uint32_t service)
{
    return {address(family, frontend_net, service + 1), frontend_port};
}

SocketAddress backend(Family family, std::uint32_t number)
{
    return {address(family, backend_net, number + 1), backend_port};
}

ServiceId service_id(Family family, Protocol protocol, std::uint32_t service)
{
    return {.key = {"bench", fmt::format("service-{}", service)},
            .uid = fmt::format("00000000-0000-4000-8000-{:012}", service),
            .port_name = "http",
            .protocol = protocol,
            .family = family,
            .scope = Scope::cluster};
}

ServiceRow service_row(const std::vector<SocketAddress>& backends)
{
    std::vector<Backend> list;
    for (const auto& at : backends)
        list.push_back({.at = at, .chosen = true, .serving = true, .local = true, .terminating = false});
    ServiceRow row;
    row.backends = list;
    return row;
}

std::vector<SocketAddress> backends_of(Family family, const Shape& shape, std::uint32_t service)
{
    std::vector<SocketAddress> all;
    for (unsigned i = 0; i < shape.backends; ++i)
        all.push_back(backend(family, service * shape.backends + i));
    return all;
}

Result<Kernel> kernel_of(const Datapath& datapath)
{
    auto maps = datapath.maps();
    if (!maps)
        return std::unexpected{maps.error()};
    std::vector<std::string> findings;
    return Kernel::open(std::move(*maps), LB_DEFAULT_SEED, findings);
}

Result<> install(Kernel& kernel, Protocol protocol, Family family, std::uint32_t service,
                 const std::vector<SocketAddress>& backends)
{
    auto id = service_id(family, protocol, service);
    if (auto put = kernel.apply(PutService{id, service_row(backends)}); !put)
        return put;
    auto at = frontend(family, service);
    FrontendRow row;
    row.inside = id;
    row.outside = id;
    return kernel.apply(PutFrontend{{at.address, at.port, protocol}, row});
}

Result<> install_all(Kernel& kernel, Protocol protocol, Family family, const Shape& shape)
{
    for (unsigned i = 0; i < shape.services; ++i)
        if (auto put = install(kernel, protocol, family, i, backends_of(family, shape, i)); !put)
            return put;
    return {};
}

std::vector<bench_flow> flows_to_services(Family family, unsigned count, unsigned services)
{
    return flows(family, count, frontend_net, services);
}

std::vector<bench_flow> flows_elsewhere(Family family, unsigned count)
{
    return flows(family, count, elsewhere_net, count);
}

Snapshot objects(const Shape& shape)
{
    Snapshot snapshot;
    for (unsigned i = 0; i < shape.services; ++i) {
        auto id = service_id(Family::v4, Protocol::tcp, i);
        Service service;
        service.key = id.key;
        service.uid = id.uid;
        service.cluster_ips = {frontend(Family::v4, i).address};
        service.ports = {
            {.name = id.port_name, .protocol = Protocol::tcp, .port = frontend_port, .node_port = {}}};

        EndpointSlice slice;
        slice.key = {id.key.ns, id.key.name + "-slice"};
        slice.service = id.key.name;
        slice.family = Family::v4;
        slice.ports = {{.name = id.port_name, .protocol = Protocol::tcp, .port = backend_port}};
        for (const auto& at : backends_of(Family::v4, shape, i)) {
            Endpoint endpoint;
            endpoint.address = at.address;
            endpoint.node = "node";
            slice.endpoints.push_back(std::move(endpoint));
        }
        snapshot.slices.emplace(slice.key, std::move(slice));
        snapshot.services.emplace(service.key, std::move(service));
    }
    snapshot.node = Node{.name = "node", .zone = {}, .addresses = {}, .eligible = true};
    return snapshot;
}

} // namespace naru::bench
