#include "stop_signals.hpp"

#include <chrono>
#include <cstdlib>
#include <utility>

namespace naru {

namespace {

constexpr std::chrono::milliseconds patience{700};
constexpr int wake_up = SIGUSR1;

sigset_t awaited()
{
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, wake_up})
        sigaddset(&set, signal);
    return set;
}

} // namespace

StopSignals::StopSignals(std::function<void()> stop)
{
    const auto set = awaited();
    pthread_sigmask(SIG_BLOCK, &set, &before_);
    thread_ = std::thread{[this, stop = std::move(stop)] { wait(stop); }};
}

void StopSignals::wait(const std::function<void()>& stop)
{
    const auto set = awaited();
    int signal = 0;
    sigwait(&set, &signal);
    std::unique_lock lock{mutex_};
    if (over_)
        return;
    stop();
    if (!changed_.wait_for(lock, patience, [this] { return over_; }))
        std::_Exit(EXIT_SUCCESS);
}

StopSignals::~StopSignals()
{
    {
        const std::lock_guard lock{mutex_};
        over_ = true;
    }
    changed_.notify_all();
    pthread_kill(thread_.native_handle(), wake_up);
    thread_.join();
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

} // namespace naru
