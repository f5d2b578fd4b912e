// One HTTP/1.1 exchange with an API server over TLS, its body delivered as it arrives. Never follows a
// redirect.
#pragma once

#include <chrono>
#include <functional>
#include <span>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "access.hpp"

namespace naru::kube {

struct Request {
    std::string method = "GET";
    std::string target; ///< path and query, behind the server's own path
    std::string accept;
    std::string content_type; ///< of the body
    std::string body;
};

struct Head {
    unsigned status = 0;
    std::string content_type{};
    std::optional<std::chrono::milliseconds> retry_after{};
};

/// What the caller does with an answer as it arrives.
struct Receiver {
    using Time = std::chrono::steady_clock::time_point;

    std::function<void(const Head&)> head;
    std::function<Result<>(std::span<const std::byte>)> body; ///< an error ends the exchange
    std::function<Time()> deadline;                           ///< asked before every read
};

class Client {
public:
    using Time = std::chrono::steady_clock::time_point;

    /// `user_agent` is "naru/<version>".
    Client(boost::asio::any_io_executor executor, Access access, std::string user_agent);

    /// Runs to the end of the body. An Error: no complete answer (refused, reset, TLS, deadline, cut off), or
    /// the receiver's own. A status such as 500 is no error here. Cancellation ends it at once.
    boost::asio::awaitable<Result<Head>> perform(Request request, Receiver receiver);

    /// The next exchange begins with another server: this one answers, and not what an API server should.
    void try_another() { current_ = (current_ + 1) % access_.servers.size(); }
    void token_rejected() { access_.token.rejected(); }
    const Url& server() const { return access_.servers[current_]; }

    static constexpr std::chrono::seconds connect_timeout{10};
    static constexpr std::chrono::seconds first_byte_timeout{60};

private:
    boost::asio::awaitable<Result<Head>> perform_at(const Url& url, const Request& request,
                                                    const Receiver& receiver);

    boost::asio::any_io_executor executor_;
    Access access_;
    std::string user_agent_;
    std::size_t current_ = 0; ///< the server that worked last
};

} // namespace naru::kube
