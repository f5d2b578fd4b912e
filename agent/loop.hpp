// The endless coroutines of the agent's loop. They end with the io_context that runs them.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include "config.hpp"
#include "serve/http.hpp"

namespace naru {

/// Calls `on_event` whenever `fd` is readable. It must read what is there; the caller keeps the descriptor.
boost::asio::awaitable<void> watch(int fd, std::function<void()> on_event);

/// Calls `work` again and again, `interval` after it last returned.
boost::asio::awaitable<void> every(std::chrono::steady_clock::duration interval, std::function<void()> work);

/// Adds a server to `servers` as soon as the port can be had: one that another program holds, such as
/// kube-proxy during a migration, may become free. `flag` is what the log tells a person to change.
boost::asio::awaitable<void> listen(boost::asio::io_context& io, std::string flag, BindAddress at,
                                    Routes routes, std::vector<HttpServer>& servers);

} // namespace naru
