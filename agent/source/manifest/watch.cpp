#include "watch.hpp"

#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <ranges>

namespace naru {

namespace {

constexpr std::uint32_t watched = IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                  IN_DELETE | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
constexpr std::uint32_t folder_lost = IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED;

std::optional<Touch::Kind> kind_of(std::uint32_t mask)
{
    if (mask & (IN_DELETE | IN_MOVED_FROM))
        return Touch::Kind::removed;
    if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
        return Touch::Kind::written;
    if (mask & IN_MODIFY)
        return Touch::Kind::modified;
    if (mask & IN_CREATE)
        return Touch::Kind::created;
    return std::nullopt; // IN_ATTRIB: only a reason to look
}

/// inotify's own limits are the usual reason, and the system's words for them mislead.
std::unexpected<Error> refused(const std::filesystem::path& folder, int number)
{
    std::string what = "watch the manifest folder " + folder.string();
    if (number == ENOSPC)
        return error(what + ": no inotify watch is left, raise fs.inotify.max_user_watches");
    if (number == EMFILE)
        return error(what + ": no inotify instance is left, raise fs.inotify.max_user_instances");
    return sys_error(what, number);
}

} // namespace

bool Settling::held(const std::string& name, Moment now) const
{
    auto found = until_.find(name);
    return found != until_.end() && now < found->second;
}

void Settling::forget(Moment now)
{
    std::erase_if(until_, [&](const auto& entry) { return entry.second <= now; });
}

std::optional<Moment> Settling::next() const
{
    auto moments = until_ | std::views::values;
    return until_.empty() ? std::nullopt : std::optional{*std::ranges::min_element(moments)};
}

Result<std::unique_ptr<Watch>> Watch::open(const std::filesystem::path& folder)
{
    std::unique_ptr<Watch> watch{new Watch{folder}};
    if (auto started = watch->start(); !started)
        return std::unexpected{started.error()};
    return watch;
}

Result<> Watch::start()
{
    inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (inotify_ < 0)
        return refused(folder_, errno);
    timer_ = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    poll_ = epoll_create1(EPOLL_CLOEXEC);
    if (timer_ < 0 || poll_ < 0)
        return refused(folder_, errno);
    for (int source : {inotify_, timer_}) {
        epoll_event event{.events = EPOLLIN, .data = {.fd = source}};
        if (epoll_ctl(poll_, EPOLL_CTL_ADD, source, &event) < 0)
            return refused(folder_, errno);
    }
    if (!again())
        return refused(folder_, errno);
    return {};
}

Watch::~Watch()
{
    for (int fd : {poll_, timer_, inotify_})
        if (fd >= 0)
            ::close(fd);
}

bool Watch::again()
{
    folder_watch_ = inotify_add_watch(inotify_, folder_.c_str(), watched);
    return folder_watch_ >= 0;
}

std::vector<Touch> Watch::drain()
{
    std::vector<Touch> touches;
    std::uint64_t expirations = 0;
    [[maybe_unused]] auto timer = ::read(timer_, &expirations, sizeof expirations);

    alignas(inotify_event) std::array<char, 65536> buffer;
    for (ssize_t got; (got = ::read(inotify_, buffer.data(), buffer.size())) > 0;)
        for (ssize_t at = 0; at < got;) {
            const char* raw = buffer.data() + at;
            inotify_event event;
            std::memcpy(&event, raw, sizeof event);
            at += static_cast<ssize_t>(sizeof event + event.len);

            if (event.mask & IN_Q_OVERFLOW) {
                touches.push_back({Touch::Kind::all, {}});
            } else if (event.wd != folder_watch_) {
                continue; // of a folder that stood here before
            } else if (event.mask & folder_lost) {
                // A folder that was moved away is still watched, under a name that is no longer ours.
                inotify_rm_watch(inotify_, folder_watch_);
                folder_watch_ = -1;
                touches.push_back({Touch::Kind::folder_gone, {}});
            } else if (auto kind = kind_of(event.mask); kind && event.len > 0) {
                touches.push_back({*kind, raw + sizeof event});
            }
        }
    return touches;
}

void Watch::wake(std::optional<Moment> at)
{
    itimerspec spec{};
    if (at) {
        auto since_boot = std::max(at->time_since_epoch(), Moment::duration{1}); // 0 would disarm
        auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
        spec.it_value = {.tv_sec = seconds.count(), .tv_nsec = (since_boot - seconds).count()};
    }
    timerfd_settime(timer_, TFD_TIMER_ABSTIME, &spec, nullptr);
}

} // namespace naru
