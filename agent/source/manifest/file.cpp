#include "file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "source/yaml/yaml.hpp"

namespace naru {

namespace {

bool same(const timespec& a, const timespec& b) { return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec; }

/// One byte more than is allowed shows that there is too much.
Result<std::string> read_all(int fd, std::size_t expected)
{
    constexpr std::size_t enough = yaml::max_bytes + 1;
    std::string text;
    std::size_t length = 0;
    for (ssize_t got = 1; got != 0 && length < enough; length += static_cast<std::size_t>(got)) {
        if (length == text.size())
            text.resize(std::min(std::max(expected, length) + 4096, enough));
        got = ::read(fd, text.data() + length, text.size() - length);
        if (got < 0)
            return sys_error("read");
    }
    if (length == enough)
        return error(fmt::format("larger than {} MiB: split it", yaml::max_bytes >> 20));
    text.resize(length);
    return text;
}

} // namespace

bool File::Look::operator==(const Look& other) const
{
    return device == other.device && inode == other.inode && size == other.size &&
           same(modified, other.modified) && same(changed, other.changed);
}

Result<std::optional<std::string>> File::read(const std::filesystem::path& path)
{
    // O_NONBLOCK: a FIFO of this name must not stop the agent.
    int fd = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return sys_error("read");
    auto close = [](int* open) { ::close(*open); };
    std::unique_ptr<int, decltype(close)> owner{&fd, close};

    struct stat status{};
    if (::fstat(fd, &status) < 0)
        return sys_error("read");
    if (!S_ISREG(status.st_mode))
        return error("not a regular file");

    Look now{status.st_dev, status.st_ino, status.st_size, status.st_mtim, status.st_ctim};
    if (!touched && now == seen_)
        return std::nullopt;
    auto text = read_all(fd, static_cast<std::size_t>(status.st_size));
    if (!text)
        return std::unexpected{text.error()};
    seen_ = now;
    touched = false;
    auto hash = std::hash<std::string>{}(*text);
    if (hash == content_)
        return std::nullopt;
    content_ = hash;
    return std::optional{std::move(*text)};
}

} // namespace naru
