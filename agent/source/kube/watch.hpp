// Keeps one resource in step with the API server: obeys the Reflector, speaks through the Client, hands
// decoded objects on. Runs until cancelled; an unreachable or confused server never takes anything away.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "client.hpp"
#include "object.hpp"
#include "reflector.hpp"

namespace naru::kube {

/// Where a watch delivers. All calls come from the client's executor.
struct Sink {
    std::function<void(std::vector<Object>)> replace; ///< the complete set, in no order
    std::function<void(Event)> apply; ///< one change: added, modified or deleted, with its object
    std::function<void(const std::string&)> trouble; ///< one line each time an exchange fails
};

struct WatchStats {
    std::uint64_t lists = 0;    ///< complete sets received
    std::uint64_t restarts = 0; ///< streams opened again
    std::uint64_t events = 0;
    std::uint64_t undecodable = 0; ///< objects skipped, of another kind or broken
    bool connected = false;        ///< the last exchange got an answer it could use
};

class Watch {
public:
    /// `own_name` is the node's name for Resource::nodes, else the service proxy name (empty: the default
    /// proxy).
    Watch(Client client, Resource resource, std::string own_name, Sink sink);

    boost::asio::awaitable<void> run();

    const WatchStats& stats() const { return stats_; }

private:
    boost::asio::awaitable<void> exchange(Reflector::Step step);
    Request request(const Reflector::Step& step);
    void on_head(const Head& head, const Reflector::Step& step);
    Result<> on_body(std::span<const std::byte> bytes);
    Result<> on_event(std::span<const std::byte> frame);
    void on_page();
    void conclude(const Result<Head>& outcome, const Reflector::Step& step);
    void fail(Reflector::Failure failure, const std::string& why,
              std::optional<Reflector::Delay> retry_after = {});

    Client client_;
    Resource resource_;
    std::string own_name_;
    Sink sink_;
    WatchStats stats_;
    Reflector reflector_;

    // Of the exchange under way.
    Encoding encoding_ = Encoding::protobuf;
    std::unique_ptr<Decoder> decoder_;
    std::unique_ptr<FrameSplitter> splitter_;
    std::string body_; ///< of a list page or of an answer other than 200
    std::vector<Object> collected_;
    bool streaming_ = false;
    bool failure_noted_ = false;
    Client::Time deadline_{};

    // Learnt for this process.
    bool json_only_ = false;
    bool field_selector_ = true;
};

} // namespace naru::kube
