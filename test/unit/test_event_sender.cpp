// Events on their way to a real HTTP server, which answers as the test says.
#include <catch2/catch.hpp>

#include <deque>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "source/kube/event_sender.hpp"

using namespace naru;
using namespace naru::kube;
using namespace std::chrono_literals;
namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

struct Seen {
    std::string line; ///< "POST /path"
    std::string token;
    std::string content_type;
    boost::json::value body;
};

/// Answers each request with the next status of `statuses`, 201 when there is none; 0 hangs up.
class Server {
public:
    explicit Server(asio::io_context& io) : acceptor_{io, {asio::ip::make_address("127.0.0.1"), 0}}
    {
        asio::co_spawn(io, serve(), asio::detached);
    }

    Url url() const
    {
        return {.tls = false, .host = "127.0.0.1", .port = acceptor_.local_endpoint().port(), .path = {}};
    }

    std::deque<unsigned> statuses;
    std::string message; ///< of refusals
    std::vector<Seen> seen;

private:
    asio::awaitable<void> serve()
    {
        for (;;) {
            auto [failed, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
            if (failed)
                co_return;
            beast::flat_buffer buffer;
            http::request<http::string_body> request;
            co_await http::async_read(socket, buffer, request, asio::use_awaitable);
            seen.push_back(
                {.line = std::string{request.method_string()} + ' ' + std::string{request.target()},
                 .token = std::string{request[http::field::authorization]},
                 .content_type = std::string{request[http::field::content_type]},
                 .body = boost::json::parse(request.body())});
            unsigned status = 201;
            if (!statuses.empty()) {
                status = statuses.front();
                statuses.pop_front();
            }
            if (status == 0)
                continue;
            http::response<http::string_body> response{http::int_to_status(status), 11};
            response.set(http::field::content_type, "application/json");
            if (status >= 300)
                response.body() = boost::json::serialize(
                    boost::json::object{{"kind", "Status"}, {"code", status}, {"message", message}});
            response.prepare_payload();
            co_await http::async_write(socket, response, asio::use_awaitable);
        }
    }

    tcp::acceptor acceptor_;
};

/// A sender and its server on one loop.
struct World {
    asio::io_context io;
    Server server{io};
    std::vector<std::string> given_up;
    EventSender sender{io.get_executor(), Client{io.get_executor(), access(), "naru/test"},
                       EventLog{"n1", {.spread = 0ms}},
                       [this](const std::string& line) { given_up.push_back(line); }};

    World() { sender.start(); }

    Access access() const
    {
        Access made;
        made.servers = {server.url()};
        made.token = Token{std::string{"secret"}};
        return made;
    }

    void tell(const std::string& message)
    {
        sender.tell({.object = {"shop", "web"}, .uid = "u", .reason = "NoRoom", .message = message});
    }

    /// Runs the loop until `done`, five seconds at most.
    bool until(const std::function<bool()>& done)
    {
        const auto deadline = std::chrono::steady_clock::now() + 5s;
        while (!done() && std::chrono::steady_clock::now() < deadline)
            io.run_one_for(50ms);
        return done();
    }
};

} // namespace

TEST_CASE("Events reach the server in their order, each repetition as a patch of its own Event")
{
    World w;
    w.tell("a");
    w.tell("b");
    REQUIRE(w.until([&] { return w.sender.stats().created == 2; }));
    w.tell("a");
    REQUIRE(w.until([&] { return w.sender.stats().repeated == 1; }));

    REQUIRE(w.server.seen.size() == 3);
    const auto& [first, second, third] = std::tie(w.server.seen[0], w.server.seen[1], w.server.seen[2]);
    CHECK(first.line == "POST /api/v1/namespaces/shop/events");
    CHECK(first.token == "Bearer secret");
    CHECK(first.content_type == "application/json");
    CHECK(first.body.at("message") == "a");
    CHECK(second.body.at("message") == "b");
    const auto name = std::string{first.body.at("metadata").at("name").as_string()};
    CHECK(third.line == "PATCH /api/v1/namespaces/shop/events/" + name);
    CHECK(third.content_type == "application/merge-patch+json");
    CHECK(third.body.at("count") == 2);
    CHECK(w.given_up.empty());
}

TEST_CASE("a refused Event is told once in the server's words, and what comes later is still tried")
{
    World w;
    w.server.statuses = {403, 403, 201, 403};
    w.server.message = "events is forbidden\n";
    for (const auto* message : {"a", "b", "c", "d"})
        w.tell(message);
    REQUIRE(w.until([&] { return w.sender.stats().failed == 3 && w.sender.stats().created == 1; }));
    CHECK(w.server.seen.size() == 4);
    const std::string line = R"(the API server answers 403: events is forbidden\x0a)";
    CHECK(w.given_up == std::vector{line, line}); // once more after one that went well
}

TEST_CASE("a server that hangs up is asked again, and an Event it then takes is told")
{
    World w;
    w.server.statuses = {0, 201};
    w.tell("a");
    REQUIRE(w.until([&] { return w.sender.stats().created == 1; }));
    CHECK(w.server.seen.size() == 2);
    CHECK(w.given_up.empty());
}
