#include "machine.hpp"

#include <sched.h>
#include <sys/utsname.h>
#include <time.h>

#include <cstdlib>
#include <fstream>

#include <fmt/format.h>

namespace naru::bench {

namespace {

std::string cpu_model()
{
    std::ifstream file{"/proc/cpuinfo"};
    for (std::string line; std::getline(file, line);)
        if (line.starts_with("model name"))
            if (auto colon = line.find(": "); colon != std::string::npos)
                return line.substr(colon + 2);
    return "unknown CPU";
}

int read_number(const char* path, int otherwise)
{
    std::ifstream file{path};
    int value = otherwise;
    return file >> value ? value : otherwise;
}

int pin()
{
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (::sched_getaffinity(0, sizeof(allowed), &allowed))
        return -1;
    int last = -1;
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
        if (CPU_ISSET(static_cast<std::size_t>(cpu), &allowed))
            last = cpu;
    if (last < 0)
        return -1;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(last), &one);
    return ::sched_setaffinity(0, sizeof(one), &one) ? -1 : last;
}

double ns(clockid_t clock)
{
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

} // namespace

Machine settle_down()
{
    Machine machine;
    utsname kernel{};
    ::uname(&kernel);
    machine.kernel = std::string{kernel.sysname} + ' ' + kernel.release;
    machine.cpu = cpu_model();
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    if (!::sched_getaffinity(0, sizeof(allowed), &allowed))
        machine.cpus = static_cast<unsigned>(CPU_COUNT(&allowed));
    machine.compilers = fmt::format("g++ {}, {}", __VERSION__, NARU_CLANG);
    ::getloadavg(&machine.load, 1);
    machine.jit = read_number("/proc/sys/net/core/bpf_jit_enable", 1) != 0;
    machine.stats = read_number("/proc/sys/kernel/bpf_stats_enabled", 0) != 0;
#ifdef __OPTIMIZE__
    machine.optimized = true;
#endif
    machine.pinned_to = pin();
    return machine;
}

double thread_ns() { return ns(CLOCK_THREAD_CPUTIME_ID); }
double wall_ns() { return ns(CLOCK_MONOTONIC); }

} // namespace naru::bench
