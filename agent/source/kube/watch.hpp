// Keeps one resource in step with the API server: obeys the Reflector, speaks through the Client, hands
// decoded objects on. Runs until its executor ends; an unreachable or confused server never takes anything
// away.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "answer.hpp"
#include "client.hpp"
#include "object.hpp"
#include "query.hpp"
#include "reflector.hpp"

namespace naru::kube {

/// All objects of a resource, in no order.
struct CompleteSet {
    std::vector<Object> objects;
    bool consistent = false; ///< read from etcd: no cache answered
    bool partial = false;    ///< some could not be decoded: what is not here may still exist
};

/// Where a watch delivers. All calls come from the client's executor.
struct Sink {
    /// The answer says until when the set is doubted: all of it is asked for again then.
    std::function<std::optional<Client::Time>(CompleteSet)> replace;
    std::function<void(Event)> apply;               ///< added, modified or deleted, with its object
    std::function<void(const std::string&)> failed; ///< each time an exchange fails: why
    /// The server no longer keeps the changes since the last one seen, as it does sooner or later: everything
    /// is asked for again.
    std::function<void()> outdated;
    std::function<void()> connected; ///< an answer of use after a failure, or the first one
};

struct WatchStats {
    std::uint64_t lists = 0; ///< complete sets received
    /// Exchanges that followed another one, by how that had ended: "page" and "listed" (a list goes on, or is
    /// complete), "ended" (a stream, as announced), "doubted" (by the guard), or a failure's name.
    std::map<std::string_view, std::uint64_t> restarts;
    std::uint64_t failures = 0;
    std::uint64_t events = 0;
    std::uint64_t rejected = 0; ///< objects left out: of another kind, or not decodable
    bool connected = false;     ///< the last exchange got an answer of use
};

class Watch {
public:
    Watch(Client client, Interest interest, Sink sink);

    boost::asio::awaitable<void> run();

    const WatchStats& stats() const { return stats_; }
    bool listed() const { return stats_.lists > 0; } ///< a complete set was received in this process

    /// An initial set, a frame or a page that stays unfinished without a byte for so long is given up.
    static constexpr std::chrono::seconds patience{30};

private:
    using Time = Client::Time;

    boost::asio::awaitable<void> exchange(Reflector::Step step);
    Time deadline() const;
    void on_head(const Head& head, const Reflector::Step& step);
    Result<> on_body(std::span<const std::byte> bytes);
    Result<> on_event(std::span<const std::byte> frame);
    void on_page();
    void deliver();
    void conclude(const Result<Head>& outcome, const Reflector::Step& step);
    void fail(const Trouble& trouble);

    Client client_;
    Interest interest_;
    Sink sink_;
    WatchStats stats_;
    Reflector reflector_;
    std::optional<Time> doubted_until_; ///< ask for the whole set again then

    // Of the exchange under way.
    std::unique_ptr<Decoder> decoder_;        ///< of the answer; none: it is of no use
    std::unique_ptr<FrameSplitter> splitter_; ///< a stream; none: a page, or an error
    std::string body_;                        ///< of a page or an error
    CompleteSet collected_;                   ///< of an initial set that is not complete
    std::size_t collected_bytes_ = 0;
    Time ends_{};                     ///< the server should have closed the stream
    std::optional<Time> frame_began_; ///< when the frame that is not complete began
    bool is_page_ = false;            ///< a good answer to a list
    bool failure_noted_ = false;
    std::string_view end_; ///< how it ended, for WatchStats::restarts

    bool json_only_ = false; ///< learnt for this process
};

} // namespace naru::kube
