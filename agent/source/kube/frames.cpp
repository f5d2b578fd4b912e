#include "frames.hpp"

#include <algorithm>
#include <cstdint>

namespace naru::kube {

namespace {

constexpr std::size_t prefix_bytes = 4;

std::size_t read_prefix(std::span<const std::byte> bytes)
{
    std::size_t length = 0;
    for (std::byte b : bytes.first(prefix_bytes))
        length = length << 8 | std::to_integer<std::size_t>(b);
    return length;
}

std::span<const std::byte> as_bytes(const std::string& text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

} // namespace

void FrameSplitter::keep(std::span<const std::byte> bytes)
{
    pending_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

Result<> FrameSplitter::feed(std::span<const std::byte> bytes,
                             const std::function<Result<>(std::span<const std::byte>)>& frame)
{
    return encoding_ == Encoding::protobuf ? feed_protobuf(bytes, frame) : feed_json(bytes, frame);
}

Result<> FrameSplitter::feed_protobuf(std::span<const std::byte> bytes,
                                      const std::function<Result<>(std::span<const std::byte>)>& frame)
{
    while (!bytes.empty()) {
        // First the prefix, then just as much as it promises: what is kept is never looked at twice.
        if (pending_.empty() && bytes.size() >= prefix_bytes) {
            std::size_t length = read_prefix(bytes);
            if (length > max_frame)
                return error("watch frame of " + std::to_string(length) + " bytes is above the limit");
            if (bytes.size() >= prefix_bytes + length) {
                if (auto done = frame(bytes.subspan(prefix_bytes, length)); !done)
                    return done;
                bytes = bytes.subspan(prefix_bytes + length);
                continue;
            }
        }
        if (pending_.size() < prefix_bytes) {
            std::size_t take = std::min(prefix_bytes - pending_.size(), bytes.size());
            keep(bytes.first(take));
            bytes = bytes.subspan(take);
            if (pending_.size() < prefix_bytes)
                return {};
        }
        std::size_t length = read_prefix(as_bytes(pending_));
        if (length > max_frame)
            return error("watch frame of " + std::to_string(length) + " bytes is above the limit");
        std::size_t take = std::min(prefix_bytes + length - pending_.size(), bytes.size());
        keep(bytes.first(take));
        bytes = bytes.subspan(take);
        if (pending_.size() < prefix_bytes + length)
            return {};
        auto done = frame(as_bytes(pending_).subspan(prefix_bytes));
        pending_.clear();
        if (!done)
            return done;
    }
    return {};
}

Result<> FrameSplitter::feed_json(std::span<const std::byte> bytes,
                                  const std::function<Result<>(std::span<const std::byte>)>& frame)
{
    while (!bytes.empty()) {
        auto newline = std::ranges::find(bytes, std::byte{'\n'});
        auto line = bytes.first(static_cast<std::size_t>(newline - bytes.begin()));
        if (pending_.size() + line.size() > max_frame)
            return error("watch line is above the limit of " + std::to_string(max_frame) + " bytes");
        if (newline == bytes.end()) {
            keep(line);
            return {};
        }
        bytes = bytes.subspan(line.size() + 1);
        if (pending_.empty()) {
            if (line.empty())
                continue;
            if (auto done = frame(line); !done)
                return done;
            continue;
        }
        keep(line);
        auto done = frame(as_bytes(pending_));
        pending_.clear();
        if (!done)
            return done;
    }
    return {};
}

} // namespace naru::kube
