#include "answer.hpp"

namespace naru::kube {

namespace {

using Failure = Reflector::Failure;

Failure failure_of(unsigned code, const Status& status)
{
    // Older servers say it in words only.
    if (status.version_too_large || status.message.contains("Too large resource version"))
        return Failure::too_large;
    if (code == 410 || status.reason == "Expired" || status.reason == "Gone")
        return Failure::gone;
    switch (code) {
    case 400:
    case 422:
        return Failure::unsupported;
    case 401:
        return Failure::unauthorized;
    case 403:
        return Failure::forbidden;
    default:
        return Failure::transport;
    }
}

std::optional<std::chrono::milliseconds> wait_of(const Status& status)
{
    if (!status.retry_after_sec)
        return std::nullopt;
    return std::chrono::seconds{*status.retry_after_sec};
}

} // namespace

Trouble judge(const Head& head, const Status& status)
{
    if (head.status == 200)
        return {Failure::transport, "answer of a foreign type: \"" + head.content_type + "\"", {}};
    return {failure_of(head.status, status),
            "HTTP " + std::to_string(head.status) + (status.message.empty() ? "" : ": " + status.message),
            head.retry_after ? head.retry_after : wait_of(status)};
}

Trouble judge(const Status& status)
{
    return {failure_of(static_cast<unsigned>(status.code), status),
            "the server ended the stream: " + (status.message.empty() ? status.reason : status.message),
            wait_of(status)};
}

} // namespace naru::kube
