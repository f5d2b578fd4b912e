#include "network.hpp"

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace naru::test {

namespace {

Network built;

constexpr const char* plan = R"(
link set lo up
link add uplink address 02:00:00:00:00:01 type veth peer name wire
link add pod address 02:00:00:00:01:01 type veth peer name inner
link add bridge address 02:00:00:00:03:01 type bridge
link add port address 02:00:00:00:03:10 type veth peer name portinner
link set port master bridge
link set wire up
link set inner up
link set portinner up
link set uplink up
link set pod up
link set bridge up
link set port up
addr add 192.0.2.1/24 dev uplink
addr add 2001:db8:1::1/64 dev uplink nodad
addr add 10.1.3.1/24 dev bridge
addr add fd00:1:3::1/64 dev bridge nodad
route add default via 192.0.2.254
route add default via 2001:db8:1::fe
route add 10.1.2.0/24 via 192.0.2.2
route add fd00:1:2::/64 via 2001:db8:1::2
route add 10.1.1.2 dev pod
route add fd00:1:1::2 dev pod
route add unreachable 10.9.0.0/16
route add unreachable fd00:9::/32
neigh add 192.0.2.254 lladdr 02:00:00:00:00:fe dev uplink
neigh add 2001:db8:1::fe lladdr 02:00:00:00:00:fe dev uplink
neigh add 192.0.2.2 lladdr 02:00:00:00:00:22 dev uplink
neigh add 2001:db8:1::2 lladdr 02:00:00:00:00:22 dev uplink
neigh add 10.1.3.3 lladdr 02:00:00:00:03:03 dev bridge
neigh add fd00:1:3::3 lladdr 02:00:00:00:03:03 dev bridge
)";

bool write_file(const char* path, const char* text)
{
    std::ofstream file{path};
    file << text;
    file.close();
    return !file.fail();
}

Link link_of(const char* name)
{
    ifreq request{};
    std::strncpy(request.ifr_name, name, sizeof request.ifr_name - 1);
    int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool known = ::ioctl(fd, SIOCGIFHWADDR, &request) == 0;
    ::close(fd);
    Link link;
    if (!known)
        return link;
    std::copy_n(reinterpret_cast<const std::uint8_t*>(request.ifr_hwaddr.sa_data), link.mac.size(),
                link.mac.begin());
    link.ifindex = ::if_nametoindex(name);
    return link;
}

} // namespace

std::string build_network()
{
    if (::unshare(CLONE_NEWNET))
        return std::string{"a network namespace: "} + std::strerror(errno);
    if (!write_file("/proc/sys/net/ipv4/conf/all/forwarding", "1") ||
        !write_file("/proc/sys/net/ipv4/conf/default/forwarding", "1") ||
        !write_file("/proc/sys/net/ipv6/conf/all/forwarding", "1"))
        return "forwarding in a network namespace";

    FILE* ip = ::popen("ip -batch -", "w");
    if (!ip)
        return std::string{"ip: "} + std::strerror(errno);
    std::fputs(plan, ip);
    if (::pclose(ip) != 0)
        return "ip -batch failed";

    built = {.uplink = link_of("uplink"),
             .pod = link_of("pod"),
             .bridge = link_of("bridge"),
             .port = link_of("port")};
    if (!built.uplink.ifindex || !built.pod.ifindex || !built.bridge.ifindex || !built.port.ifindex)
        return "devices in a network namespace";
    return {};
}

const Network& network() { return built; }

} // namespace naru::test
