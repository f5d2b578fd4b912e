#include "watch.hpp"

#include <algorithm>
#include <iterator>
#include <random>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "build.hpp"

namespace naru::kube {

namespace asio = boost::asio;
using std::chrono::seconds;
using std::chrono::steady_clock;

namespace {

// As client-go: a random time between 5 and 10 minutes, so that the streams of many nodes do not end
// together.
constexpr seconds stream_least{300};
constexpr seconds stream_spread{300};
constexpr seconds stream_slack{30}; ///< a server that has not closed the stream by then is gone
constexpr std::size_t max_page = 512U << 20;
constexpr std::size_t max_error = 1U << 20;

double random_fraction()
{
    static std::mt19937_64 engine{std::random_device{}()};
    return std::uniform_real_distribution<double>{0.0, 1.0}(engine);
}

std::span<const std::byte> as_bytes(const std::string& text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

} // namespace

Watch::Watch(Client client, Interest interest, Sink sink)
    : client_{std::move(client)}, interest_{std::move(interest)}, sink_{std::move(sink)},
      reflector_{random_fraction}
{
}

asio::awaitable<void> Watch::run()
{
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;; ++stats_.restarts[end_]) {
        auto step = reflector_.next();
        if (step.delay.count() > 0) {
            timer.expires_after(step.delay);
            co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
        }
        try {
            co_await exchange(std::move(step));
        } catch (const std::exception& e) { // of a library; the next try has its own chance
            fail({Reflector::Failure::transport, e.what(), {}});
        }
    }
}

asio::awaitable<void> Watch::exchange(Reflector::Step step)
{
    decoder_.reset();
    splitter_.reset();
    body_ = {}; // a page may have been large
    is_page_ = false;
    frame_began_.reset();
    failure_noted_ = false;
    end_ = "ended";
    if (step.continue_token.empty()) {
        collected_ = {.objects = {}, .consistent = step.version.empty()};
        collected_bytes_ = 0;
    }

    const auto timeout =
        stream_least + std::chrono::duration_cast<seconds>(stream_spread * random_fraction());
    ends_ = steady_clock::now() + timeout + stream_slack;
    Request request{.method = "GET",
                    .target = target(interest_, step, timeout),
                    .accept = accept(step.mode, json_only_),
                    .content_type = {},
                    .body = {}};
    const auto outcome = co_await client_.perform(
        std::move(request), {.head = [this, &step](const Head& head) { on_head(head, step); },
                             .body = [this](std::span<const std::byte> bytes) { return on_body(bytes); },
                             .deadline = [this] { return deadline(); }});
    conclude(outcome, step);
}

Watch::Time Watch::deadline() const
{
    auto at = ends_;
    if (!splitter_ || reflector_.collecting())
        at = std::min(at, steady_clock::now() + patience);
    else if (doubted_until_)
        at = std::min(at, *doubted_until_);
    if (frame_began_)
        at = std::min(at, *frame_began_ + patience);
    return at;
}

void Watch::on_head(const Head& head, const Reflector::Step& step)
{
    const auto encoding = encoding_of(head.content_type);
    if (!encoding)
        return;
    decoder_ = make_decoder(*encoding);
    if (head.status != 200)
        return;
    is_page_ = step.mode == Reflector::Mode::list;
    if (!std::exchange(stats_.connected, true))
        sink_.connected();
    reflector_.opened(steady_clock::now());
    if (!is_page_)
        splitter_ = std::make_unique<FrameSplitter>(*encoding);
}

Result<> Watch::on_body(std::span<const std::byte> bytes)
{
    if (!splitter_) {
        if (body_.size() + bytes.size() > (is_page_ ? max_page : max_error))
            return error("answer above the limit");
        body_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        return {};
    }
    const auto events = stats_.events;
    auto fed = splitter_->feed(bytes, [this](std::span<const std::byte> frame) { return on_event(frame); });
    if (!fed) {
        if (!failure_noted_)
            fail({Reflector::Failure::bad_frame, fed.error().message()});
    } else if (!splitter_->inside_frame()) {
        frame_began_.reset();
    } else if (!frame_began_ || stats_.events != events) {
        frame_began_ = steady_clock::now();
    }
    return fed;
}

Result<> Watch::on_event(std::span<const std::byte> frame)
{
    auto event = decoder_->event(frame, interest_.resource);
    if (!event)
        return std::unexpected{event.error()};
    ++stats_.events;
    if (event->type == Event::Type::error) {
        const auto trouble = judge(event->status);
        fail(trouble);
        return error(trouble.why);
    }
    if (event->type != Event::Type::bookmark && !event->object)
        ++stats_.rejected;

    if (event->initial_events_end && event->version.empty())
        return error("initial set without a resourceVersion");
    switch (reflector_.event(event->type, event->version, event->initial_events_end)) {
    case Reflector::Effect::collect:
        collected_bytes_ += frame.size();
        if (collected_bytes_ > max_page)
            return error("initial set above the limit");
        collected_.partial |= !event->object;
        if (event->object)
            collected_.objects.push_back(std::move(*event->object));
        break;
    case Reflector::Effect::replace:
        deliver();
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
    auto page = decoder_->page(as_bytes(body_), interest_.resource);
    if (!page) {
        fail({Reflector::Failure::transport, page.error().message()});
        return;
    }
    if (page->version.empty()) {
        fail({Reflector::Failure::transport, "list without a resourceVersion"});
        return;
    }
    stats_.rejected += page->skipped;
    collected_.partial |= page->skipped > 0;
    std::ranges::move(page->items, std::back_inserter(collected_.objects));
    const bool complete = reflector_.listed(page->version, page->continue_token);
    end_ = complete ? "listed" : "page";
    if (complete)
        deliver();
}

void Watch::deliver()
{
    ++stats_.lists;
    doubted_until_ = sink_.replace(std::exchange(collected_, {}));
}

void Watch::conclude(const Result<Head>& outcome, const Reflector::Step& step)
{
    const auto now = steady_clock::now();
    if (doubted_until_ && now >= *doubted_until_) {
        doubted_until_.reset();
        end_ = "doubted";
        reflector_.doubt();
        return;
    }
    if (failure_noted_)
        return;
    if (!outcome) {
        const bool stalled = splitter_ && reflector_.collecting();
        fail({stalled ? Reflector::Failure::stalled : Reflector::Failure::transport,
              outcome.error().message()});
        return;
    }
    if (outcome->status == 200 && decoder_) {
        if (!splitter_)
            on_page();
        else if (splitter_->inside_frame())
            fail({Reflector::Failure::transport, "the stream was cut inside an event"});
        else
            reflector_.ended(now);
        return;
    }

    Status status;
    if (decoder_)
        if (auto decoded = decoder_->status(as_bytes(body_)))
            status = std::move(*decoded);
    const auto trouble = judge(*outcome, status);
    if (trouble.failure == Reflector::Failure::unauthorized)
        client_.token_rejected();
    // Of a foreign type, or of a server that does not know us.
    const bool refused = trouble.failure == Reflector::Failure::unauthorized ||
                         trouble.failure == Reflector::Failure::forbidden;
    if (outcome->status == 200 || refused)
        client_.try_another();
    if (outcome->status == 406 || outcome->status == 415)
        json_only_ = true;
    // A server that does not know the field selector says so to a plain list too.
    if (trouble.failure == Reflector::Failure::unsupported && step.mode == Reflector::Mode::list)
        interest_.field_selector = false;
    fail(trouble);
}

void Watch::fail(const Trouble& trouble)
{
    const bool following = stats_.connected && !reflector_.collecting();
    failure_noted_ = true;
    end_ = Reflector::name_of(trouble.failure);
    ++stats_.failures;
    reflector_.failed(trouble.failure, steady_clock::now(), trouble.retry_after);
    // No history is kept for ever. Not to get everything anew either, or never to be let follow it, is an
    // outage like any other.
    if (trouble.failure == Reflector::Failure::gone && following && reflector_.next().delay.count() == 0)
        return sink_.outdated();
    stats_.connected = false;
    sink_.failed(trouble.why);
}

} // namespace naru::kube
