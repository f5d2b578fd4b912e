// The HTTP server over real loopback connections.
#include <catch2/catch.hpp>

#include <optional>
#include <thread>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>

#include "serve/http.hpp"

using namespace naru;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

Routes routes()
{
    return {{"/livez", [] { return HttpAnswer{.body = "alive\n"}; }},
            {"/readyz", [] { return HttpAnswer{.status = 503, .body = "not yet\n"}; }}};
}

/// A server that runs until the end of the test.
class Running {
public:
    explicit Running(HttpLimits limits = {})
    {
        auto listening = HttpServer::listen(io_, "127.0.0.1", 0, routes(), limits);
        REQUIRE(listening);
        server_.emplace(std::move(*listening));
        port_ = server_->port();
        thread_ = std::thread{[this] { io_.run(); }};
    }
    ~Running()
    {
        asio::post(io_, [this] { server_.reset(); });
        thread_.join(); // ends because nothing the server owned is left
    }

    std::uint16_t port() const { return port_; }

private:
    asio::io_context io_;
    std::optional<HttpServer> server_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

class Client {
public:
    explicit Client(const Running& server)
    {
        socket_.connect({asio::ip::make_address("127.0.0.1"), server.port()});
        const timeval deadline{.tv_sec = 5, .tv_usec = 0};
        ::setsockopt(socket_.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    }

    void send(std::string_view text)
    {
        boost::system::error_code ignored; // the server may close while a long request is on its way
        asio::write(socket_, asio::buffer(text), ignored);
    }

    /// Everything until the server closes.
    std::string rest()
    {
        std::string all;
        char buffer[4096];
        for (ssize_t got; (got = ::recv(socket_.native_handle(), buffer, sizeof buffer, 0)) > 0;)
            all.append(buffer, static_cast<std::size_t>(got));
        return all;
    }

    std::string ask(std::string_view text)
    {
        send(text);
        return rest();
    }

    /// One answer of a connection that stays open; knows its last line.
    std::string until(std::string_view end)
    {
        std::string all;
        char byte = 0;
        while (!all.ends_with(end) && ::recv(socket_.native_handle(), &byte, 1, 0) == 1)
            all += byte;
        return all;
    }

private:
    asio::io_context io_;
    tcp::socket socket_{io_};
};

std::string request(std::string_view line)
{
    return std::string{line} + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
}

} // namespace

TEST_CASE("a path that exists is answered, with or without a query")
{
    Running server;
    const auto reply = Client{server}.ask(request("GET /livez?verbose=1"));
    CHECK_THAT(reply, Catch::StartsWith("HTTP/1.1 200 OK\r\n") && Catch::EndsWith("\r\n\r\nalive\n") &&
                          Catch::Contains("X-Content-Type-Options: nosniff\r\n"));
    CHECK_THAT(Client{server}.ask(request("GET /readyz")), Catch::StartsWith("HTTP/1.1 503 "));
}

TEST_CASE("HEAD answers like GET without the body")
{
    Running server;
    const auto reply = Client{server}.ask(request("HEAD /livez"));
    CHECK_THAT(reply, Catch::StartsWith("HTTP/1.1 200 OK\r\n") && Catch::Contains("Content-Length: 6\r\n") &&
                          Catch::EndsWith("\r\n\r\n"));
}

TEST_CASE("other paths are not found, other methods are not allowed")
{
    Running server;
    CHECK_THAT(Client{server}.ask(request("GET /")), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(Client{server}.ask(request("GET /livez/..")), Catch::StartsWith("HTTP/1.1 404 "));
    CHECK_THAT(Client{server}.ask(request("POST /livez")),
               Catch::StartsWith("HTTP/1.1 405 ") && Catch::Contains("Allow: GET, HEAD\r\n"));
    CHECK_THAT(Client{server}.ask(request("BREW /livez")), Catch::StartsWith("HTTP/1.1 405 "));
}

TEST_CASE("routes may have an answer for every other path")
{
    auto all = routes();
    CHECK(answer(all, "GET", "/elsewhere").status == 404);
    all.emplace(any_path, [] { return HttpAnswer{.body = "any\n"}; });
    CHECK(answer(all, "GET", "/elsewhere?x").body == "any\n");
    CHECK(answer(all, "GET", "/livez").body == "alive\n");
    CHECK(answer(all, "PUT", "/elsewhere").status == 405);
}

TEST_CASE("what is not HTTP is answered once and cut off")
{
    Running server;
    CHECK_THAT(Client{server}.ask("\x16\x03\x01 hello\r\n\r\n"), Catch::StartsWith("HTTP/1.1 400 "));
    CHECK_THAT(Client{server}.ask("GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
               Catch::StartsWith("HTTP/1.1 400 "));
}

TEST_CASE("a request head beyond the limit is refused")
{
    Running server{{.head_bytes = 1024}};
    const auto reply = Client{server}.ask("GET /livez HTTP/1.1\r\nX: " + std::string(4000, 'a') + "\r\n\r\n");
    CHECK_THAT(reply, Catch::StartsWith("HTTP/1.1 431 "));
}

TEST_CASE("one connection carries several requests")
{
    Running server;
    Client client{server};
    for (int i = 0; i < 3; i++) {
        client.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
        CHECK_THAT(client.until("alive\n"), Catch::StartsWith("HTTP/1.1 200 OK\r\n"));
    }
}

TEST_CASE("a client that says nothing is cut off in time")
{
    Running server{{.silence = 50ms}};
    Client silent{server};
    const auto begin = std::chrono::steady_clock::now();
    CHECK(silent.rest().empty());
    CHECK(std::chrono::steady_clock::now() - begin < 4s);
}

TEST_CASE("beyond the cap the client that was silent longest makes room")
{
    Running server{{.connections = 2}};
    Client oldest{server};
    Client second{server};
    second.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    second.until("alive\n");
    Client third{server};
    third.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(third.until("alive\n"), Catch::EndsWith("alive\n"));
    CHECK(oldest.rest().empty());
    second.send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_THAT(second.until("alive\n"), Catch::EndsWith("alive\n"));
}

TEST_CASE("an address that is taken or none is an error that says so")
{
    asio::io_context io;
    Running server;
    const auto taken = HttpServer::listen(io, "127.0.0.1", server.port(), {});
    REQUIRE_FALSE(taken);
    CHECK_THAT(taken.error().message(), Catch::Contains("Address already in use"));
    const auto name = HttpServer::listen(io, "localhost", 0, {});
    REQUIRE_FALSE(name);
    CHECK_THAT(name.error().message(), Catch::Contains("localhost"));
}
