// Sends what the EventLog wants written, one request after another, and never keeps anybody waiting.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>

#include "client.hpp"
#include "events.hpp"

namespace naru::kube {

class EventSender {
public:
    /// `given_up` gets one line when an Event could not be written, and none again before one could or the
    /// answer is another one.
    EventSender(boost::asio::any_io_executor executor, Client client, EventLog log,
                std::function<void(const std::string&)> given_up);
    EventSender(const EventSender&) = delete; // the coroutine keeps its address
    EventSender& operator=(const EventSender&) = delete;

    /// Sends until the executor stops.
    void start();
    void tell(const Occurrence& occurrence);
    const EventStats& stats() const { return log_.stats(); }

private:
    boost::asio::awaitable<void> run();
    boost::asio::awaitable<void> send(Request request);
    void conclude(const Result<Head>& outcome, std::string_view body);

    boost::asio::any_io_executor executor_;
    Client client_;
    EventLog log_;
    std::function<void(const std::string&)> given_up_;
    std::optional<unsigned> told_; ///< status of the answer that `given_up` knows of
    boost::asio::steady_timer wake_;
};

} // namespace naru::kube
