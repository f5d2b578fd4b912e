// A small HTTP/1.1 server for health and metrics: fixed paths, GET and HEAD, nothing that a client sends
// changes anything. Lives on one io_context, which one thread runs.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "model/result.hpp"

namespace naru {

struct HttpAnswer {
    unsigned status = 200;
    std::string type = "text/plain; charset=utf-8";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers{}; ///< besides the usual ones
};

/// Path -> answer. Everything else is 404, unless there is an answer for `any_path`.
inline constexpr std::string_view any_path = "*";
using Routes = std::map<std::string, std::function<HttpAnswer()>, std::less<>>;

struct HttpLimits {
    std::uint32_t head_bytes = 8192;
    std::size_t connections = 64; ///< one more, and the one that was silent longest is closed
    std::chrono::milliseconds silence = std::chrono::seconds{30}; ///< for a request to be complete, or read
    bool own_family_only = false;                                 ///< "::" leaves IPv4 to another listener
};

/// What `routes` say about one request: method, then path without its query.
HttpAnswer answer(const Routes& routes, std::string_view method, std::string_view target);

class HttpServer {
public:
    /// Listens until destroyed, which closes all connections too. `host` is an address, never a name.
    static Result<HttpServer> listen(boost::asio::io_context& io, const std::string& host, std::uint16_t port,
                                     Routes routes, HttpLimits limits = {});

    std::uint16_t port() const; ///< the one in use, also when 0 was asked for

    HttpServer(HttpServer&&) noexcept;
    HttpServer& operator=(HttpServer&&) noexcept;
    ~HttpServer();

private:
    struct State;
    explicit HttpServer(std::shared_ptr<State> state);
    std::shared_ptr<State> state_;
};

} // namespace naru
