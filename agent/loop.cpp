#include "loop.hpp"

#include <fcntl.h>

#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "logging.hpp"

namespace naru {

namespace {

namespace asio = boost::asio;

constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr std::chrono::seconds listen_interval{5};

} // namespace

asio::awaitable<void> watch(int fd, std::function<void()> on_event)
{
    using Descriptor = asio::posix::stream_descriptor;
    Descriptor descriptor{co_await asio::this_coro::executor, ::fcntl(fd, F_DUPFD_CLOEXEC, 0)};
    for (;;) {
        const auto [failed] = co_await descriptor.async_wait(Descriptor::wait_read, as_result);
        if (failed) {
            log(Level::error, "changes can no longer be watched: " + failed.message());
            co_return;
        }
        on_event();
    }
}

asio::awaitable<void> every(std::chrono::steady_clock::duration interval, std::function<void()> work)
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        timer.expires_after(interval);
        co_await timer.async_wait(as_result);
        work();
    }
}

asio::awaitable<void> listen(asio::io_context& io, std::string flag, BindAddress at, Routes routes,
                             std::vector<HttpServer>& servers)
{
    asio::steady_timer pause{io};
    for (bool told = false; at.port != 0; told = true) {
        auto server = HttpServer::listen(io, at.host, at.port, routes);
        if (server) {
            servers.push_back(std::move(*server));
            co_return;
        }
        if (!told)
            log(Level::warning,
                "cannot listen yet, trying again every few seconds: " + server.error().message(),
                {{"flag", flag}, {"host", at.host}, {"port", std::to_string(at.port)}});
        pause.expires_after(listen_interval);
        co_await pause.async_wait(as_result);
    }
}

} // namespace naru
