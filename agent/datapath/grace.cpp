#include "grace.hpp"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <chrono>
#include <utility>

namespace naru {

namespace {

/// Where the kernel cannot tell: a program runs for microseconds, this is long enough whatever preempts it.
constexpr std::chrono::seconds without_help{5};

} // namespace

GracePeriod::GracePeriod(Wait wait)
    : wait_{std::move(wait)}, thread_{[this](std::stop_token stop) { run(std::move(stop)); }}
{
}

std::uint64_t GracePeriod::begin()
{
    std::lock_guard lock{mutex_};
    ++begun_;
    changed_.notify_all();
    return begun_;
}

bool GracePeriod::passed(std::uint64_t ticket) const
{
    std::lock_guard lock{mutex_};
    return ticket <= passed_;
}

void GracePeriod::wait(std::uint64_t ticket)
{
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return ticket <= passed_; });
}

bool GracePeriod::wait_for_programs()
{
    // With one CPU the kernel thinks it need not wait, which is true for its own users of this call, but not
    // for a program that was preempted. With nohz_full it refuses.
    return ::get_nprocs() > 1 && ::syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0;
}

void GracePeriod::run(std::stop_token stop)
{
    std::unique_lock lock{mutex_};
    while (changed_.wait(lock, stop, [&] { return passed_ < begun_; })) {
        auto until = begun_;
        lock.unlock();
        bool waited = wait_();
        lock.lock();
        if (!waited)
            changed_.wait_for(lock, stop, without_help, [] { return false; });
        if (stop.stop_requested())
            return;
        passed_ = until;
        changed_.notify_all();
    }
}

} // namespace naru
