#include "watch.hpp"

#include <random>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace naru::kube {

namespace asio = boost::asio;
using std::chrono::seconds;

namespace {

constexpr std::string_view protobuf_type = "application/vnd.kubernetes.protobuf";
constexpr std::string_view json_type = "application/json";
constexpr int watch_seconds_least = 300;
constexpr int watch_seconds_spread = 300;
constexpr seconds watch_slack{30};
constexpr seconds initial_silence{30};
constexpr std::size_t max_error_body = 1 << 20;
constexpr std::size_t page_size = 500;

double random_fraction()
{
    static std::mt19937_64 engine{std::random_device{}()};
    return std::uniform_real_distribution<double>{0.0, 1.0}(engine);
}

std::string_view path_of(Resource resource)
{
    switch (resource) {
    case Resource::services:
        return "/api/v1/services";
    case Resource::endpoint_slices:
        return "/apis/discovery.k8s.io/v1/endpointslices";
    case Resource::nodes:
        return "/api/v1/nodes";
    }
    std::unreachable();
}

std::string escaped(std::string_view text)
{
    static constexpr char hex[] = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        auto byte = static_cast<unsigned char>(c);
        if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~') {
            out += c;
        } else {
            out += '%';
            out += hex[byte >> 4];
            out += hex[byte & 15];
        }
    }
    return out;
}

/// What the server may leave out. The agent applies the same rules itself: a selector is an optimisation, no
/// guard.
std::string selectors(Resource resource, const std::string& own_name, bool field_selector)
{
    switch (resource) {
    case Resource::services: {
        std::string name{"service.kubernetes.io/service-proxy-name"};
        std::string out = "&labelSelector=" + escaped(own_name.empty() ? "!" + name : name + "=" + own_name);
        return field_selector ? out + "&fieldSelector=" + escaped("spec.clusterIP!=None") : out;
    }
    case Resource::endpoint_slices:
        return "&labelSelector=" + escaped("!service.kubernetes.io/headless");
    case Resource::nodes:
        return "&fieldSelector=" + escaped("metadata.name=" + own_name);
    }
    std::unreachable();
}

} // namespace

Watch::Watch(Client client, Resource resource, std::string own_name, Sink sink)
    : client_{std::move(client)}, resource_{resource}, own_name_{std::move(own_name)}, sink_{std::move(sink)},
      reflector_{random_fraction}
{
}

asio::awaitable<void> Watch::run()
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        auto step = reflector_.next();
        if (step.delay.count() > 0) {
            timer.expires_after(step.delay);
            if (auto [code] = co_await timer.async_wait(asio::as_tuple(asio::use_awaitable)); code)
                co_return;
        }
        co_await exchange(std::move(step));
    }
}

Request Watch::request(const Reflector::Step& step)
{
    int timeout = watch_seconds_least + static_cast<int>(random_fraction() * watch_seconds_spread);
    bool stream = step.mode != Reflector::Mode::list;
    deadline_ = std::chrono::steady_clock::now() + seconds{timeout} + watch_slack;

    std::string query;
    if (stream) {
        query = "?watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(timeout);
        if (step.mode == Reflector::Mode::watch_list)
            query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
    } else {
        // Pages are for reads the cache does not answer.
        query = step.version == "0" ? "?limit=0" : "?limit=" + std::to_string(page_size);
        if (!step.continue_token.empty())
            query += "&continue=" + escaped(step.continue_token);
    }
    if (step.continue_token.empty())
        query += "&resourceVersion=" + escaped(step.version);
    query += selectors(resource_, own_name_, field_selector_);

    std::string accept;
    if (!json_only_)
        accept = std::string{protobuf_type} + (stream ? ";stream=watch, " : ", ");
    return {.method = "GET",
            .target = std::string{path_of(resource_)} + query,
            .accept = accept + std::string{json_type},
            .content_type = {},
            .body = {}};
}

asio::awaitable<void> Watch::exchange(Reflector::Step step)
{
    body_.clear();
    streaming_ = false;
    failure_noted_ = false;
    if (step.continue_token.empty())
        collected_.clear();
    Receiver receiver{
        .head = [&](const Head& head) { on_head(head, step); },
        .body = [this](std::span<const std::byte> bytes) { return on_body(bytes); },
        .deadline =
            [this] {
                if (!streaming_ || reflector_.collecting())
                    return std::min(deadline_, std::chrono::steady_clock::now() + initial_silence);
                return deadline_;
            },
    };
    auto outcome = co_await client_.perform(request(step), std::move(receiver));
    conclude(outcome, step);
}

void Watch::on_head(const Head& head, const Reflector::Step& step)
{
    std::string_view type = head.content_type;
    encoding_ = type.starts_with(protobuf_type) ? Encoding::protobuf : Encoding::json;
    decoder_ =
        type.starts_with(protobuf_type) || type.starts_with(json_type) ? make_decoder(encoding_) : nullptr;
    if (head.status != 200 || !decoder_)
        return;
    stats_.connected = true;
    reflector_.opened(std::chrono::steady_clock::now());
    if (step.mode != Reflector::Mode::list) {
        streaming_ = true;
        splitter_ = std::make_unique<FrameSplitter>(encoding_);
    }
}

Result<> Watch::on_body(std::span<const std::byte> bytes)
{
    if (streaming_)
        return splitter_->feed(bytes, [this](std::span<const std::byte> frame) { return on_event(frame); });
    if (!stats_.connected && body_.size() + bytes.size() > max_error_body)
        return error("error answer above 1 MB");
    body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return {};
}

Result<> Watch::on_event(std::span<const std::byte> frame)
{
    auto event = decoder_->event(frame, resource_);
    if (!event) {
        fail(Reflector::Failure::bad_frame, event.error().message());
        return error("watch stream cannot be understood");
    }
    ++stats_.events;
    if (event->type == Event::Type::error) {
        bool gone =
            event->status.code == 410 || event->status.reason == "Expired" || event->status.reason == "Gone";
        fail(gone ? Reflector::Failure::gone : Reflector::Failure::transport, event->status.message);
        return error("watch ended by the server: " + event->status.reason);
    }
    if (event->type != Event::Type::bookmark && !event->object)
        ++stats_.undecodable;

    auto type = static_cast<Reflector::EventType>(event->type);
    auto now = std::chrono::steady_clock::now();
    switch (reflector_.event(type, event->version, event->initial_events_end, now)) {
    case Reflector::Effect::collect:
        if (event->object)
            collected_.push_back(std::move(*event->object));
        break;
    case Reflector::Effect::replace:
        ++stats_.lists;
        sink_.replace(std::exchange(collected_, {}));
        break;
    case Reflector::Effect::apply:
        if (event->object)
            sink_.apply(std::move(*event));
        break;
    case Reflector::Effect::none:
        break;
    }
    return {};
}

void Watch::on_page()
{
    auto page = decoder_->page(std::as_bytes(std::span{body_.data(), body_.size()}), resource_);
    if (!page) {
        fail(Reflector::Failure::transport, page.error().message());
        return;
    }
    stats_.undecodable += page->skipped;
    std::ranges::move(page->items, std::back_inserter(collected_));
    if (reflector_.listed(page->version, page->continue_token)) {
        ++stats_.lists;
        sink_.replace(std::exchange(collected_, {}));
    }
}

void Watch::conclude(const Result<Head>& outcome, const Reflector::Step& step)
{
    using Failure = Reflector::Failure;
    if (failure_noted_)
        return;
    ++stats_.restarts;
    if (!outcome) {
        bool stalled = streaming_ && reflector_.collecting();
        fail(stalled ? Failure::stalled : Failure::transport, outcome.error().message());
        return;
    }
    const Head& head = *outcome;
    if (head.status == 200 && decoder_) {
        if (!streaming_)
            on_page();
        else if (splitter_->inside_frame())
            fail(Failure::transport, "watch stream was cut inside an event");
        else
            reflector_.ended(std::chrono::steady_clock::now());
        return;
    }

    Status status;
    if (decoder_)
        if (auto decoded = decoder_->status(std::as_bytes(std::span{body_.data(), body_.size()})))
            status = std::move(*decoded);
    auto retry_after = head.retry_after;
    if (!retry_after && status.retry_after_sec)
        retry_after = seconds{*status.retry_after_sec};
    std::string why =
        "HTTP " + std::to_string(head.status) + (status.message.empty() ? "" : ": " + status.message);

    switch (head.status) {
    case 400:
    case 422:
        // A server that does not know the field selector says so to a plain list too.
        if (step.mode != Reflector::Mode::watch_list && resource_ == Resource::services)
            field_selector_ = false;
        fail(Failure::unsupported, why, retry_after);
        break;
    case 401:
        client_.token_rejected();
        fail(Failure::unauthorized, why, retry_after);
        break;
    case 403:
        fail(Failure::forbidden, why, retry_after);
        break;
    case 406:
    case 415:
        json_only_ = true;
        fail(Failure::transport, why, retry_after);
        break;
    case 410:
        fail(Failure::gone, why, retry_after);
        break;
    case 200:
        fail(Failure::transport, "answer of foreign type " + head.content_type, retry_after);
        break;
    default:
        fail(status.version_too_large ? Failure::too_large : Failure::transport, why, retry_after);
    }
}

void Watch::fail(Reflector::Failure failure, const std::string& why,
                 std::optional<Reflector::Delay> retry_after)
{
    failure_noted_ = true;
    stats_.connected = false;
    reflector_.failed(failure, std::chrono::steady_clock::now(), retry_after);
    sink_.trouble(why);
}

} // namespace naru::kube
