// Cuts the body of a watch into events. Frames ignore the borders of HTTP chunks and of reads.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>

#include "model/result.hpp"

namespace naru::kube {

enum class Encoding {
    protobuf, ///< each frame: 4 bytes length (big endian), then a WatchEvent
    json,     ///< each frame: one JSON document and a newline
};

class FrameSplitter {
public:
    /// No object is larger than 1.5 MB; a longer frame is a stream that cannot be understood.
    static constexpr std::size_t max_frame = 8 << 20;

    explicit FrameSplitter(Encoding encoding) : encoding_{encoding} {}

    /// Calls `frame` for every frame completed by `bytes`, in order. An error ends the stream: nothing behind
    /// it can be trusted. The time taken is linear in the bytes, however they are cut.
    Result<> feed(std::span<const std::byte> bytes,
                  const std::function<Result<>(std::span<const std::byte>)>& frame);

    /// Bytes of a frame that is not complete: a stream that ends here was cut.
    bool inside_frame() const { return !pending_.empty(); }

private:
    Result<> feed_protobuf(std::span<const std::byte> bytes,
                           const std::function<Result<>(std::span<const std::byte>)>& frame);
    Result<> feed_json(std::span<const std::byte> bytes,
                       const std::function<Result<>(std::span<const std::byte>)>& frame);
    void keep(std::span<const std::byte> bytes);

    Encoding encoding_;
    std::string pending_;
};

} // namespace naru::kube
