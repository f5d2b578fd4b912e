#include "event_sender.hpp"

#include <algorithm>
#include <span>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "object.hpp"

namespace naru::kube {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds answer_timeout{15};
constexpr std::size_t longest_body = 4096; ///< of an answer; only a Status is worth reading

EventLog::Now now()
{
    const auto wall = std::chrono::system_clock::now().time_since_epoch();
    return {.time = std::chrono::steady_clock::now(),
            .unix_sec = std::chrono::duration_cast<std::chrono::seconds>(wall).count()};
}

std::string why(const Result<Head>& outcome, std::string_view body)
{
    if (!outcome)
        return outcome.error().message();
    auto line = "the API server answers " + std::to_string(outcome->status);
    const auto status = make_decoder(Encoding::json)->status(std::as_bytes(std::span{body}));
    return status && !status->message.empty() ? line + ": " + event_message(status->message) : line;
}

} // namespace

EventSender::EventSender(asio::any_io_executor executor, Client client, EventLog log,
                         std::function<void(const std::string&)> given_up)
    : executor_{executor}, client_{std::move(client)}, log_{std::move(log)}, given_up_{std::move(given_up)},
      wake_{executor}
{
}

void EventSender::start() { asio::co_spawn(executor_, run(), asio::detached); }

void EventSender::tell(const Occurrence& occurrence)
{
    log_.tell(occurrence, now());
    wake_.cancel();
}

asio::awaitable<void> EventSender::run()
{
    for (;;) {
        wake_.expires_at(log_.next().value_or(EventLog::Time::max()));
        co_await wake_.async_wait(asio::as_tuple(asio::use_awaitable));
        while (auto request = log_.take(now().time))
            co_await send(std::move(*request));
    }
}

asio::awaitable<void> EventSender::send(Request request)
{
    std::string body;
    const auto deadline = now().time + answer_timeout;
    const Receiver receiver{.head = [](const Head&) {},
                            .body =
                                [&body](std::span<const std::byte> bytes) {
                                    const auto kept =
                                        bytes.first(std::min(bytes.size(), longest_body - body.size()));
                                    body.append(reinterpret_cast<const char*>(kept.data()), kept.size());
                                    return Result<>{};
                                },
                            .deadline = [deadline] { return deadline; }};
    const auto outcome = co_await client_.perform(std::move(request), receiver);
    conclude(outcome, body);
}

void EventSender::conclude(const Result<Head>& outcome, std::string_view body)
{
    const auto answer =
        outcome ? EventLog::Answer{outcome->status, outcome->retry_after} : EventLog::Answer{};
    if (answer.status == 401)
        client_.token_rejected();
    const bool given_up = !log_.answered(answer, now().time);
    if (given_up && std::exchange(told_, answer.status) != answer.status)
        given_up_(why(outcome, body));
    else if (answer.status >= 200 && answer.status < 300)
        told_.reset();
}

} // namespace naru::kube
