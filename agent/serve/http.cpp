#include "http.hpp"

#include <list>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace naru {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

namespace {

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);

http::message_generator to_message(HttpAnswer answer, bool head, unsigned version, bool keep_alive)
{
    http::response_header<> header;
    header.result(answer.status);
    header.version(version);
    header.set(http::field::content_type, answer.type);
    header.set("X-Content-Type-Options", "nosniff");
    header.set(http::field::cache_control, "no-store");
    for (const auto& [name, value] : answer.headers)
        header.set(name, value);
    if (answer.status == 405)
        header.set(http::field::allow, "GET, HEAD");
    if (head) {
        http::response<http::empty_body> response{std::move(header)};
        response.content_length(answer.body.size());
        response.keep_alive(keep_alive);
        return response;
    }
    http::response<http::string_body> response{std::move(header), std::move(answer.body)};
    response.prepare_payload();
    response.keep_alive(keep_alive);
    return response;
}

bool is_protocol_error(const beast::error_code& error)
{
    return error.category() == http::make_error_code(http::error::bad_method).category() &&
           error != http::error::end_of_stream && error != http::error::partial_message;
}

} // namespace

HttpAnswer answer(const Routes& routes, std::string_view method, std::string_view target)
{
    if (method != "GET" && method != "HEAD")
        return {.status = 405, .body = "only GET and HEAD\n"};
    auto route = routes.find(target.substr(0, target.find('?')));
    if (route == routes.end())
        route = routes.find(any_path);
    if (route == routes.end())
        return {.status = 404, .body = "not found\n"};
    return route->second();
}

struct HttpServer::State : std::enable_shared_from_this<HttpServer::State> {
    State(asio::io_context& io, Routes all, HttpLimits bounds)
        : acceptor{io}, routes{std::move(all)}, limits{bounds}
    {
    }

    Result<> open(const tcp::endpoint& at);
    asio::awaitable<void> accept();
    asio::awaitable<void> serve(tcp::socket socket);
    void make_room();

    tcp::acceptor acceptor;
    Routes routes;
    HttpLimits limits;
    std::list<beast::tcp_stream*> connections; ///< silent for longest first
};

Result<> HttpServer::State::open(const tcp::endpoint& at)
{
    beast::error_code failed;
    const auto check = [&](const char* what) -> Result<> {
        if (failed)
            return sys_error(std::string{what}, failed.value());
        return {};
    };
    acceptor.open(at.protocol(), failed);
    if (auto ok = check("open a socket"); !ok)
        return ok;
    acceptor.set_option(tcp::acceptor::reuse_address{true}, failed);
    if (limits.own_family_only && at.address().is_v6())
        acceptor.set_option(asio::ip::v6_only{true}, failed);
    acceptor.bind(at, failed);
    if (auto ok = check("bind"); !ok)
        return ok;
    acceptor.listen(asio::socket_base::max_listen_connections, failed);
    return check("listen");
}

/// A crowd of silent clients must not keep a probe out.
void HttpServer::State::make_room()
{
    while (connections.size() >= limits.connections) {
        connections.front()->close();
        connections.pop_front();
    }
}

asio::awaitable<void> HttpServer::State::accept()
{
    const auto self = shared_from_this();
    asio::steady_timer pause{acceptor.get_executor()};
    for (;;) {
        auto [failed, socket] = co_await acceptor.async_accept(as_result);
        if (!acceptor.is_open())
            co_return;
        if (failed) { // out of descriptors, or the client is gone already
            pause.expires_after(std::chrono::milliseconds{100});
            co_await pause.async_wait(as_result);
            continue;
        }
        make_room();
        asio::co_spawn(acceptor.get_executor(), serve(std::move(socket)), asio::detached);
    }
}

asio::awaitable<void> HttpServer::State::serve(tcp::socket socket)
{
    const auto self = shared_from_this();
    beast::tcp_stream stream{std::move(socket)};
    connections.push_back(&stream);
    const auto leave = [this](beast::tcp_stream* gone) { connections.remove(gone); };
    const std::unique_ptr<beast::tcp_stream, decltype(leave)> membership{&stream, leave};

    beast::flat_buffer buffer{limits.head_bytes};
    for (bool open = true; open;) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(limits.head_bytes);
        stream.expires_after(limits.silence);
        const auto [unread, bytes_read] = co_await http::async_read(stream, buffer, parser, as_result);
        if (unread && !is_protocol_error(unread))
            break;
        connections.remove(&stream);
        connections.push_back(&stream);

        const auto& request = parser.get();
        const bool too_long = unread == http::error::header_limit || unread == http::error::buffer_overflow;
        HttpAnswer reply = unread ? HttpAnswer{.status = too_long ? 431u : 400u, .body = "bad request\n"}
                                  : answer(routes, request.method_string(), request.target());
        open = !unread && request.keep_alive();
        auto message = to_message(std::move(reply), !unread && request.method() == http::verb::head,
                                  unread ? 11 : request.version(), open);
        stream.expires_after(limits.silence);
        const auto [unwritten, bytes_written] =
            co_await beast::async_write(stream, std::move(message), as_result);
        open = open && !unwritten;
    }
    beast::error_code ignored; // the other side may have gone first
    stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
}

Result<HttpServer> HttpServer::listen(asio::io_context& io, const std::string& host, std::uint16_t port,
                                      Routes routes, HttpLimits limits)
{
    beast::error_code failed;
    const auto address = asio::ip::make_address(host, failed);
    if (failed)
        return error("\"" + host + "\" is not an address to listen on");
    auto state = std::make_shared<State>(io, std::move(routes), limits);
    if (auto open = state->open({address, port}); !open)
        return std::unexpected{open.error()};
    asio::co_spawn(io, state->accept(), asio::detached);
    return HttpServer{std::move(state)};
}

std::uint16_t HttpServer::port() const
{
    beast::error_code ignored;
    return state_->acceptor.local_endpoint(ignored).port();
}

HttpServer::HttpServer(std::shared_ptr<State> state) : state_{std::move(state)} {}
HttpServer::HttpServer(HttpServer&&) noexcept = default;

HttpServer& HttpServer::operator=(HttpServer&& other) noexcept
{
    std::swap(state_, other.state_);
    return *this;
}

HttpServer::~HttpServer()
{
    if (!state_)
        return;
    beast::error_code ignored;
    state_->acceptor.close(ignored);
    for (auto* connection : state_->connections)
        connection->close();
}

} // namespace naru
