// healthCheckNodePort: the answer as a value, and the listeners over real loopback connections.
#include <catch2/catch.hpp>

#include <optional>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "serve/service_health.hpp"

using namespace naru;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

NodeView loopback()
{
    NodeView view;
    view.node_ports = {.primary = false, .localhost = true, .cidrs = {}};
    return view;
}

HealthCheck check(Port port, std::size_t v4, std::optional<std::size_t> v6 = {})
{
    HealthCheck made{.port = port, .created_sec = 1, .uid = "u", .ready_here = {{Family::v4, v4}}};
    if (v6)
        made.ready_here[Family::v6] = *v6;
    return made;
}

/// The model, the listeners and their loop, which runs while a client waits for its answer.
struct Served {
    asio::io_context io;
    HealthChecks checks;
    bool healthy = true;
    NodeView view = loopback();
    ServiceHealth health{io, checks, [this] { return healthy; }};
    std::vector<Notice> notices;

    SyncReport set(const std::string& name, std::optional<HealthCheck> next)
    {
        std::set<Port> changed;
        checks.replace({"shop", name}, std::move(next), notices, changed);
        return health.follow(changed, view);
    }

    /// The answer of the server, or the error of connect().
    std::string ask(const std::string& host, Port port, std::string_view line = "GET /any/path?x HTTP/1.1")
    {
        tcp::socket socket{io};
        boost::system::error_code failed;
        socket.connect({asio::ip::make_address(host), port.host}, failed);
        if (failed)
            return failed == asio::error::connection_refused ? "refused" : failed.message();
        asio::write(socket, asio::buffer(std::string{line} + "\r\nHost: x\r\nConnection: close\r\n\r\n"));
        std::string reply;
        bool over = false;
        asio::async_read(socket, asio::dynamic_buffer(reply), [&](const auto&, std::size_t) { over = true; });
        const auto deadline = std::chrono::steady_clock::now() + 5s;
        while (!over && std::chrono::steady_clock::now() < deadline)
            io.run_one_for(100ms);
        return reply;
    }
};

/// A port that is free on both families now.
Port free_port()
{
    asio::io_context io;
    tcp::acceptor v6{io, {tcp::v6(), 0}};
    return {v6.local_endpoint().port()};
}

} // namespace

TEST_CASE("the answer names the Service, the count and the proxy's health")
{
    const auto yes = service_health({"shop", "web"}, 2, true);
    CHECK(yes.status == 200);
    CHECK(yes.type == "application/json");
    CHECK(yes.body ==
          R"({"service":{"namespace":"shop","name":"web"},"localEndpoints":2,"serviceProxyHealthy":true})");
    CHECK(yes.headers ==
          std::vector<std::pair<std::string, std::string>>{{"X-Load-Balancing-Endpoint-Weight", "2"}});

    const auto none = service_health({"shop", "web"}, 0, true);
    CHECK(none.status == 503);
    CHECK_THAT(none.body, Catch::Contains(R"("localEndpoints":0,"serviceProxyHealthy":true)"));

    const auto sick = service_health({"shop", "web"}, 2, false);
    CHECK(sick.status == 503);
    CHECK_THAT(sick.body, Catch::Contains(R"("localEndpoints":2,"serviceProxyHealthy":false)"));
}

TEST_CASE("a hostile name stays inside its JSON string")
{
    CHECK_THAT(service_health({"a\"b", "c\nd"}, 1, true).body,
               Catch::StartsWith(R"({"service":{"namespace":"a\"b","name":"c\\x0ad"},)"));
}

TEST_CASE("health ports listen where NodePorts do")
{
    NodeView view;
    view.node.addresses = {*Address::parse("192.0.2.1"), *Address::parse("fd00::1")};
    view.interface_addresses = {*Address::parse("192.0.2.1"), *Address::parse("198.51.100.1")};
    CHECK(health_hosts(view) == HealthHosts{{Family::v4, {"192.0.2.1"}}, {Family::v6, {"fd00::1"}}});
    view.node_ports = {.primary = false, .cidrs = {*Cidr::parse("198.51.100.0/24")}};
    CHECK(health_hosts(view) == HealthHosts{{Family::v4, {"198.51.100.1"}}});
    view.node_ports = {.primary = false, .all = true, .cidrs = {}};
    CHECK(health_hosts(view) == HealthHosts{{Family::v4, {"0.0.0.0"}}, {Family::v6, {"::"}}});
}

TEST_CASE("a health port answers on any path with the count of the moment and of the family that asks")
{
    Served node;
    const auto port = free_port();
    CHECK(node.set("web", check(port, 1, 0)).failures.empty());
    CHECK(node.health.listening() == 2);
    CHECK_THAT(node.ask("127.0.0.1", port),
               Catch::StartsWith("HTTP/1.1 200 OK\r\n") &&
                   Catch::Contains("Content-Type: application/json\r\n") &&
                   Catch::Contains("X-Content-Type-Options: nosniff\r\n") &&
                   Catch::Contains("X-Load-Balancing-Endpoint-Weight: 1\r\n") &&
                   Catch::EndsWith(R"("localEndpoints":1,"serviceProxyHealthy":true})"));
    CHECK_THAT(node.ask("::1", port), Catch::StartsWith("HTTP/1.1 503 "));
    CHECK_THAT(node.ask("127.0.0.1", port, "POST / HTTP/1.1"), Catch::StartsWith("HTTP/1.1 405 "));

    node.set("web", check(port, 0, 3));
    CHECK_THAT(node.ask("127.0.0.1", port), Catch::StartsWith("HTTP/1.1 503 "));
    CHECK_THAT(node.ask("::1", port), Catch::Contains("Weight: 3\r\n"));
    node.healthy = false;
    CHECK_THAT(node.ask("::1", port), Catch::StartsWith("HTTP/1.1 503 ") && Catch::Contains("Weight: 3\r\n"));
}

TEST_CASE("a health port closes at once, and a family that goes takes its listener along")
{
    Served node;
    const auto port = free_port();
    node.set("web", check(port, 1, 1));
    node.set("web", check(port, 1));
    CHECK(node.ask("::1", port) == "refused");
    CHECK_THAT(node.ask("127.0.0.1", port), Catch::StartsWith("HTTP/1.1 200 "));
    node.set("web", std::nullopt);
    CHECK(node.ask("127.0.0.1", port) == "refused");
    CHECK(node.health.listening() == 0);
}

TEST_CASE("a change of one port leaves the connections of others alone")
{
    Served node;
    const auto kept = free_port(), other = free_port();
    node.set("web", check(kept, 1));
    tcp::socket client{node.io};
    client.connect({asio::ip::make_address("127.0.0.1"), kept.host});
    node.set("other", check(other, 1));
    node.set("other", std::nullopt);
    asio::write(client, asio::buffer(std::string_view{"GET / HTTP/1.0\r\n\r\n"}));
    std::string reply;
    bool over = false;
    asio::async_read(client, asio::dynamic_buffer(reply), [&](const auto&, std::size_t) { over = true; });
    for (int i = 0; i < 50 && !over; i++)
        node.io.run_one_for(100ms);
    CHECK_THAT(reply, Catch::StartsWith("HTTP/1.0 200 "));
}

TEST_CASE("wildcard listeners of both families stand side by side")
{
    Served node;
    node.view.node_ports = {.primary = false, .all = true, .cidrs = {}};
    const auto port = free_port();
    CHECK(node.set("web", check(port, 1, 2)).failures.empty());
    CHECK_THAT(node.ask("127.0.0.1", port), Catch::Contains("Weight: 1\r\n"));
    CHECK_THAT(node.ask("::1", port), Catch::Contains("Weight: 2\r\n"));
}

TEST_CASE("listeners follow the addresses of the node")
{
    Served node;
    const auto port = free_port();
    node.view.node_ports.localhost = false;
    node.set("web", check(port, 1));
    CHECK(node.ask("127.0.0.1", port) == "refused");
    node.view.node_ports.localhost = true;
    node.health.follow({}, node.view);
    CHECK_THAT(node.ask("127.0.0.1", port), Catch::StartsWith("HTTP/1.1 200 "));
}

TEST_CASE("a port that somebody else holds is told once, tried again, and its recovery is told")
{
    Served node;
    std::optional<tcp::acceptor> holder;
    holder.emplace(node.io, tcp::endpoint{asio::ip::make_address("127.0.0.1"), 0});
    const Port port{holder->local_endpoint().port()};

    const auto failed = node.set("web", check(port, 1));
    REQUIRE(failed.failures.size() == 1);
    CHECK(failed.failures[0].service == ObjectKey{"shop", "web"});
    CHECK(failed.failures[0].reason == "FailedToStartServiceHealthcheck");
    CHECK_THAT(failed.failures[0].message,
               Catch::Contains("healthCheckNodePort " + std::to_string(port.host)) &&
                   Catch::Contains("127.0.0.1") && Catch::Contains("Address already in use"));
    CHECK(node.health.failed() == 1);
    CHECK(node.health.retry().failures.empty());

    holder.reset();
    const auto recovered = node.health.retry();
    CHECK(recovered.recovered == std::vector<ObjectKey>{{"shop", "web"}});
    CHECK(node.health.failed() == 0);
    CHECK_THAT(node.ask("127.0.0.1", port), Catch::StartsWith("HTTP/1.1 200 "));
    CHECK(node.health.retry().recovered.empty());
}

TEST_CASE("a failing port that is given up is no recovery")
{
    Served node;
    tcp::acceptor holder{node.io, tcp::endpoint{asio::ip::make_address("127.0.0.1"), 0}};
    node.set("web", check({holder.local_endpoint().port()}, 1));
    CHECK(node.set("web", std::nullopt).recovered.empty());
    CHECK(node.health.failed() == 0);
}
