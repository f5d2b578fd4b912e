// Short ways to write model values in tests.
#pragma once

#include <initializer_list>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/endpoint.hpp"
#include "model/node.hpp"
#include "model/service.hpp"
#include "model/tables.hpp"

namespace naru::test {

inline Address addr(std::string_view text)
{
    auto address = Address::parse(text);
    if (!address)
        throw std::invalid_argument{"not an address: " + std::string{text}};
    return *address;
}

inline Cidr cidr(std::string_view text)
{
    auto network = Cidr::parse(text);
    if (!network)
        throw std::invalid_argument{"not a CIDR: " + std::string{text}};
    return *network;
}

/// "10.0.0.1:80" or "[fd00::1]:80"
inline SocketAddress at(std::string_view text)
{
    auto colon = text.rfind(':');
    auto host = text.substr(0, colon);
    if (host.starts_with('['))
        host = host.substr(1, host.size() - 2);
    return {addr(host), {static_cast<std::uint16_t>(std::stoi(std::string{text.substr(colon + 1)}))}};
}

/// "10.0.0.1:80/TCP"; without protocol the wildcard row: "10.0.0.1:0"
inline FrontendKey key(std::string_view text)
{
    auto slash = text.find('/');
    auto exact = at(text.substr(0, slash));
    if (slash == std::string_view::npos)
        return {exact.address, exact.port, {}};
    return {exact.address, exact.port, parse_protocol(text.substr(slash + 1))};
}

/// A ClusterIP Service shop/NAME with one unnamed TCP port 80.
inline Service service(std::string name, std::initializer_list<const char*> cluster_ips = {"10.96.0.1"})
{
    Service service;
    service.key = {"shop", name};
    service.uid = "uid-" + name;
    service.created_sec = 1000;
    for (const auto* ip : cluster_ips)
        service.cluster_ips.push_back(addr(ip));
    service.ports = {{.name = "", .protocol = Protocol::tcp, .port = {80}, .node_port = {}}};
    return service;
}

inline Endpoint endpoint(std::string_view address, std::string node = "n1")
{
    Endpoint endpoint;
    endpoint.address = addr(address);
    endpoint.node = std::move(node);
    return endpoint;
}

/// A slice of shop/SERVICE with one unnamed TCP port 8080, of the family of its first endpoint.
inline EndpointSlice slice(std::string service, std::vector<Endpoint> endpoints, std::string suffix = "a")
{
    EndpointSlice slice;
    slice.key = {"shop", service + "-" + suffix};
    slice.service = std::move(service);
    slice.family = endpoints.empty() ? Family::v4 : endpoints.front().address.family();
    slice.ports = {{.name = "", .protocol = Protocol::tcp, .port = Port{8080}}};
    slice.endpoints = std::move(endpoints);
    return slice;
}

/// Node n1 in zone z1 with 192.0.2.1 and fd00::1 on its one interface, besides loopback.
inline NodeView view()
{
    NodeView view;
    view.node = {.name = "n1", .zone = "z1", .addresses = {addr("192.0.2.1"), addr("fd00::1")}};
    view.interface_addresses = {addr("192.0.2.1"), addr("fd00::1"), addr("127.0.0.1"), addr("::1")};
    return view;
}

} // namespace naru::test
