// Where cgroup v2 is, from the kernel's list of mounts.
#include <catch2/catch.hpp>

#include "datapath/probe.hpp"

using namespace naru;

TEST_CASE("the cgroup v2 mount is found among others", "[probe]")
{
    CHECK(cgroup_mount("22 1 0:21 / /sys rw shared:7 - sysfs sysfs rw\n"
                       "30 22 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n"
                       "31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n") ==
          "/sys/fs/cgroup/unified");
    CHECK(cgroup_mount("30 22 0:26 / /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate\n") == "/sys/fs/cgroup");
}

TEST_CASE("a mount of the whole cgroup hierarchy is preferred to one of a part", "[probe]")
{
    CHECK(cgroup_mount("30 22 0:26 /kubepods /var/run/part rw - cgroup2 cgroup2 rw\n"
                       "31 22 0:26 / /host/cgroup rw - cgroup2 cgroup2 rw\n") == "/host/cgroup");
    CHECK(cgroup_mount("30 22 0:26 /kubepods /var/run/part rw - cgroup2 cgroup2 rw\n") == "/var/run/part");
}

TEST_CASE("without cgroup v2 no mount is found", "[probe]")
{
    CHECK(cgroup_mount("31 22 0:27 / /sys/fs/cgroup/cpu rw - cgroup cgroup2 rw,cpu\n").empty());
    CHECK(cgroup_mount("").empty());
    CHECK(cgroup_mount("not a mount - cgroup2").empty());
}
