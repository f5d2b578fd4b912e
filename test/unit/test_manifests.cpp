// The folder: real files and real inotify in a temporary folder; every wait is for a condition, with a
// deadline.
#include <catch2/catch.hpp>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <string>

#include "source/manifest/manifests.hpp"
#include "source/manifest/watch.hpp"

using namespace naru;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

std::string service(const std::string& name, int port = 80)
{
    return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name +
           "}\nspec:\n  ports: [{port: " + std::to_string(port) + "}]\n";
}

void write(const fs::path& file, const std::string& text)
{
    std::ofstream{file, std::ios::binary | std::ios::trunc} << text;
}

fs::path temporary_folder()
{
    std::string name = (fs::temp_directory_path() / "naru-manifests-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()));
    return name;
}

struct Folder {
    fs::path path = temporary_folder();

    ~Folder() { fs::remove_all(path); }
    fs::path operator/(const char* name) const { return path / name; }
};

/// Does what the agent's loop does: waits for the descriptor, drains, reads.
struct Source {
    Manifests manifests;
    Snapshot now;
    std::vector<std::string> complaints;

    explicit Source(const fs::path& folder) : Source{folder, std::chrono::steady_clock::now} {}
    Source(const fs::path& folder, std::function<Moment()> clock) : manifests{open(folder, std::move(clock))}
    {
        read();
    }

    static Manifests open(const fs::path& folder, std::function<Moment()> clock)
    {
        auto opened = Manifests::open(folder, "node-a", std::move(clock));
        REQUIRE(opened);
        return std::move(*opened);
    }

    void read()
    {
        std::vector<Complaint> fresh;
        now = manifests.read(fresh);
        for (const auto& complaint : fresh)
            complaints.push_back(complaint.text());
    }

    /// The loop until `reached`, at most twenty seconds.
    bool until(const std::function<bool()>& reached)
    {
        auto deadline = std::chrono::steady_clock::now() + 20s;
        while (!reached()) {
            auto left =
                std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
            pollfd event{.fd = manifests.event_fd(), .events = POLLIN, .revents = 0};
            if (left <= 0ms || ::poll(&event, 1, static_cast<int>(left.count())) <= 0)
                return false;
            manifests.drain();
            read();
        }
        return true;
    }

    /// What has happened so far: inotify tells it at once.
    void settle()
    {
        manifests.drain();
        read();
    }

    bool has(const std::string& name) const { return now.services.contains({"default", name}); }
    int port(const std::string& name) const
    {
        auto found = now.services.find({"default", name});
        return found == now.services.end() ? 0 : found->second.ports.at(0).port.host;
    }
    bool complained(std::string_view part) const
    {
        return std::ranges::any_of(complaints, [&](const auto& line) { return line.contains(part); });
    }
};

} // namespace

TEST_CASE("a name is held until its moment and not longer")
{
    Moment start{};
    Settling settling;
    settling.hold("a", start + 2s);
    settling.hold("b", start + 1s);
    CHECK(settling.next() == start + 1s);
    CHECK(settling.held("a", start + 1s));
    CHECK_FALSE(settling.held("b", start + 1s));
    CHECK_FALSE(settling.held("c", start));

    settling.forget(start + 1s);
    CHECK(settling.next() == start + 2s);
    settling.release("a");
    CHECK_FALSE(settling.held("a", start));
    CHECK_FALSE(settling.next());
}

TEST_CASE("a folder that does not exist is refused by name")
{
    auto opened = Manifests::open("/nonexistent/manifests", "n");
    REQUIRE_FALSE(opened);
    CHECK(opened.error().message() ==
          "watch the manifest folder /nonexistent/manifests: No such file or directory");
}

TEST_CASE("manifests are read by their extension, hidden files and sub-folders are left alone")
{
    Folder folder;
    write(folder / "a.yaml", service("a"));
    write(folder / "b.yml", service("b"));
    write(folder / "c.json",
          R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"c"},"spec":{"ports":[{"port":80}]}})");
    write(folder / ".d.yaml", service("d"));
    write(folder / "e.yaml~", service("e"));
    fs::create_directories(folder.path / "f.yaml");
    write(folder / "f.yaml/g.yaml", service("g"));

    Source source{folder.path};
    CHECK(source.now.services.size() == 3);
    CHECK((source.has("a") && source.has("b") && source.has("c")));
    CHECK(source.complaints.empty());
}

TEST_CASE("a new file, an edit in place, an edit by rename and a removal arrive")
{
    Folder folder;
    Source source{folder.path};
    CHECK(source.now.services.empty());

    write(folder / "a.yaml", service("a", 80));
    CHECK(source.until([&] { return source.port("a") == 80; }));
    write(folder / "a.yaml", service("a", 81));
    CHECK(source.until([&] { return source.port("a") == 81; }));
    write(folder / ".a.new", service("a", 82));
    fs::rename(folder / ".a.new", folder / "a.yaml");
    CHECK(source.until([&] { return source.port("a") == 82; }));
    fs::remove(folder / "a.yaml");
    CHECK(source.until([&] { return !source.has("a"); }));
    CHECK(source.complaints.empty());
}

TEST_CASE("a change that keeps size and time stamps arrives")
{
    Folder folder;
    write(folder / "a.yaml", service("a", 80));
    Source source{folder.path};
    auto stamp = fs::last_write_time(folder / "a.yaml");
    write(folder / "a.yaml", service("a", 81));
    fs::last_write_time(folder / "a.yaml", stamp);
    CHECK(source.until([&] { return source.port("a") == 81; }));
}

TEST_CASE("a file that turns bad keeps its last good state, once told, and others still change")
{
    Folder folder;
    write(folder / "a.yaml", service("a"));
    write(folder / "b.yaml", service("b"));
    Source source{folder.path};

    write(folder / "a.yaml", service("a", 0));
    CHECK(source.until([&] { return !source.complaints.empty(); }));
    CHECK(source.port("a") == 80);
    CHECK(source.complaints ==
          std::vector{(folder / "a.yaml").string() +
                      ":5: Service a: port: 0 is not between 1 and 65535; the last good state "
                      "of this file stays in use"});

    write(folder / "a.yaml", service("a", 0));
    write(folder / "b.yaml", service("b", 81));
    CHECK(source.until([&] { return source.port("b") == 81; }));
    CHECK(source.complaints.size() == 1);

    write(folder / "a.yaml", service("a", 82));
    CHECK(source.until([&] { return source.port("a") == 82; }));
    CHECK(source.complaints.size() == 1);
}

TEST_CASE("a file that was never good is told to be out of use")
{
    Folder folder;
    write(folder / "a.yaml", "kind: [");
    Source source{folder.path};
    REQUIRE(source.complaints.size() == 1);
    CHECK(source.complaints[0].ends_with("; nothing of this file is in use"));
}

TEST_CASE("a file is not read while its writer is in the middle of it")
{
    Folder folder;
    write(folder / "a.yaml", service("a") + "---\n" + service("b"));
    auto still = std::chrono::steady_clock::now();
    Source source{folder.path, [&] { return still; }};

    std::ofstream writer{folder / "a.yaml", std::ios::trunc};
    source.settle();
    CHECK((source.has("a") && source.has("b")));
    writer << service("a", 81) << std::flush; // valid so far, but not all
    source.settle();
    CHECK((source.port("a") == 80 && source.has("b")));
    writer << "---\n" << service("b", 81);
    writer.close();
    CHECK(source.until([&] { return source.port("a") == 81; }));
    CHECK(source.port("b") == 81);
    CHECK(source.complaints.empty());
}

TEST_CASE("a writer that falls silent without closing is not waited for any longer")
{
    Folder folder;
    Source source{folder.path};
    std::ofstream writer{folder / "a.yaml"};
    writer << service("a") << std::flush;
    CHECK(source.until([&] { return source.has("a"); }));
}

TEST_CASE("an editor that removes a file and creates it anew never takes its objects away")
{
    Folder folder;
    write(folder / "a.yaml", service("a", 80));
    auto still = std::chrono::steady_clock::now();
    Source source{folder.path, [&] { return still; }};
    fs::rename(folder / "a.yaml", folder / "a.yaml~");
    source.settle();
    CHECK(source.port("a") == 80);
    write(folder / "a.yaml", service("a", 81));
    CHECK(source.until([&] { return source.port("a") == 81; }));
}

TEST_CASE("a ConfigMap volume is followed through its links")
{
    Folder folder;
    fs::create_directories(folder / "..v1");
    fs::create_directories(folder / "..v2");
    write(folder / "..v1/a.yaml", service("a", 80));
    write(folder / "..v2/a.yaml", service("a", 81));
    fs::create_directory_symlink("..v1", folder / "..data");
    fs::create_symlink("..data/a.yaml", folder / "a.yaml");

    Source source{folder.path};
    CHECK(source.port("a") == 80);
    fs::create_directory_symlink("..v2", folder / "..data_tmp");
    fs::rename(folder / "..data_tmp", folder / "..data");
    CHECK(source.until([&] { return source.port("a") == 81; }));
}

TEST_CASE("a link that leads nowhere keeps what it led to, and is told")
{
    Folder folder;
    write(folder / "target", service("a"));
    fs::create_symlink("target", folder / "a.yaml");
    Source source{folder.path};
    CHECK(source.has("a"));
    fs::remove(folder / "target");
    CHECK(source.until([&] { return source.complained("No such file or directory; the last good state"); }));
    CHECK(source.has("a"));
}

TEST_CASE("a folder that vanishes keeps its last state until it is back with manifests")
{
    Folder folder;
    auto inner = folder / "inner";
    fs::create_directories(inner);
    write(inner / "a.yaml", service("a"));
    write(inner / "b.yaml", service("b"));
    auto ahead = 0s;
    Source source{inner, [&] { return std::chrono::steady_clock::now() + ahead; }};

    SECTION("removed and made anew")
    {
        fs::remove_all(inner);
        CHECK(source.until(
            [&] { return source.complained("the folder is gone; its last state stays in use"); }));
        CHECK((source.has("a") && source.has("b")));
        fs::create_directories(inner);
        CHECK(source.until([&] { return source.complained("the folder is back"); }));
        for (int hour = 0; hour < 3; ++hour) {
            ahead += 3600s;
            source.settle();
        }
        CHECK((source.has("a") && source.has("b")));
        write(inner / "a.yaml", service("a", 81));
        CHECK(source.until([&] { return source.port("a") == 81; }));
        CHECK(source.has("b"));
        ahead += 2s;
        source.settle();
        CHECK_FALSE(source.has("b"));
    }
    SECTION("moved away and replaced by another")
    {
        fs::rename(inner, folder / "old");
        fs::create_directories(inner);
        write(inner / "a.yaml", service("a", 81));
        CHECK(source.until([&] { return source.port("a") == 81; }));
        CHECK(source.complained("the folder is back"));
        write(folder / "old/b.yaml", service("b", 81));
        CHECK(source.until([&] { return !source.has("b"); }));
    }
}

TEST_CASE("what stands in the way of reading a file is told and does not stop the agent")
{
    Folder folder;
    REQUIRE(::mkfifo((folder / "fifo.yaml").c_str(), 0600) == 0);
    write(folder / "large.yaml", std::string((8u << 20) + 1, '#'));
    write(folder / "a.yaml", service("a"));
    Source source{folder.path};
    CHECK(source.has("a"));
    CHECK(source.complained("fifo.yaml: not a regular file; nothing of this file is in use"));
    CHECK(source.complained("large.yaml: larger than 8 MiB: split it; nothing of this file is in use"));
}

TEST_CASE("kinds that are not for naru are told once, however often the file changes")
{
    Folder folder;
    std::string config = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n";
    write(folder / "a.yaml", service("a", 80) + config);
    Source source{folder.path};
    write(folder / "a.yaml", "# moves every line\n" + service("a", 81) + config);
    CHECK(source.until([&] { return source.port("a") == 81; }));
    CHECK(source.complaints ==
          std::vector{(folder / "a.yaml").string() + ":7: ConfigMap of v1 is not for naru"});
}

TEST_CASE("an object in two files is told once, and the other file takes over when the first goes")
{
    Folder folder;
    write(folder / "a.yaml", service("web", 80));
    write(folder / "b.yaml", service("web", 81));
    Source source{folder.path};
    CHECK(source.port("web") == 80);
    write(folder / "c.yaml", service("c"));
    CHECK(source.until([&] { return source.has("c"); }));
    CHECK(source.complaints.size() == 1);
    fs::remove(folder / "a.yaml");
    CHECK(source.until([&] { return source.port("web") == 81; }));
}

TEST_CASE("the shop of the examples is read whole and without a complaint")
{
    auto shop = fs::path{__FILE__}.parent_path() / "../../examples/shop";
    REQUIRE(fs::is_directory(shop));
    std::size_t written = 0; // Services, by their kind alone
    for (const auto& entry : fs::directory_iterator{shop}) {
        std::ifstream file{entry.path()};
        for (std::string line; std::getline(file, line);)
            written += line == "kind: Service";
    }
    Source source{shop};
    CHECK(source.complaints == std::vector<std::string>{});
    CHECK(written > 0);
    CHECK(source.now.services.size() == written);
    CHECK_FALSE(source.now.slices.empty());
}
