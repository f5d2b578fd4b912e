// SIGTERM and SIGINT end the agent within a second, even while its loop is in a long step: what is in the
// kernel is whole at every instant, so leaving at once costs nothing.
#pragma once

#include <csignal>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace naru {

class StopSignals {
public:
    /// From here on both signals call `stop` from a thread of their own, once; if this object is not
    /// destroyed shortly after, the process leaves with 0. Construct it before any other thread starts.
    explicit StopSignals(std::function<void()> stop);
    ~StopSignals();

    StopSignals(const StopSignals&) = delete;
    StopSignals& operator=(const StopSignals&) = delete;

private:
    void wait(const std::function<void()>& stop);

    std::mutex mutex_;
    std::condition_variable changed_;
    bool over_ = false;
    sigset_t before_{};
    std::thread thread_;
};

} // namespace naru
