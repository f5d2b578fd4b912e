#include "worker.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utility>

namespace naru::bench {

Result<Child> Child::start(const std::function<void(int channel)>& serve)
{
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair.data()))
        return sys_error("make a socket pair");
    UniqueFd mine{pair[0]}, its{pair[1]};
    pid_t pid = ::fork();
    if (pid < 0)
        return sys_error("fork");
    if (pid == 0) {
        mine = {};
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        serve(its.get());
        ::_exit(0);
    }
    return Child{pid, std::move(mine)};
}

Child::Child(Child&& other) noexcept
    : pid_{std::exchange(other.pid_, -1)}, channel_{std::move(other.channel_)}
{
}

Child::~Child()
{
    if (pid_ <= 0)
        return;
    channel_ = {};
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
}

} // namespace naru::bench
