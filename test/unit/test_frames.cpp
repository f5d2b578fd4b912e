#include <catch2/catch.hpp>
#include <rapidcheck.h>

#include <string>
#include <vector>

#include "source/kube/frames.hpp"

using namespace naru;
using namespace naru::kube;

namespace {

std::span<const std::byte> bytes(const std::string& text)
{
    return std::as_bytes(std::span{text.data(), text.size()});
}

std::string framed(const std::string& body)
{
    std::string out;
    for (int shift : {24, 16, 8, 0})
        out += static_cast<char>(body.size() >> shift & 0xff);
    return out + body;
}

std::string written(Encoding encoding, const std::vector<std::string>& bodies)
{
    std::string out;
    for (const auto& body : bodies)
        out += encoding == Encoding::protobuf ? framed(body) : body + '\n';
    return out;
}

/// Feeds `stream` in pieces of `piece` bytes.
std::vector<std::string> frames(FrameSplitter& splitter, const std::string& stream, std::size_t piece)
{
    std::vector<std::string> out;
    for (std::size_t at = 0; at < stream.size(); at += piece) {
        auto fed =
            splitter.feed(bytes(stream).subspan(at, std::min(piece, stream.size() - at)), [&](auto frame) {
                out.emplace_back(reinterpret_cast<const char*>(frame.data()), frame.size());
                return Result<>{};
            });
        REQUIRE(fed.has_value());
    }
    return out;
}

} // namespace

TEST_CASE("frames come out whole however the bytes are cut")
{
    const std::vector<std::string> bodies{"one", std::string(300, 'x'), "z"};
    for (auto encoding : {Encoding::protobuf, Encoding::json}) {
        auto stream = written(encoding, bodies);
        for (std::size_t piece = 1; piece <= stream.size(); ++piece) {
            FrameSplitter splitter{encoding};
            CHECK(frames(splitter, stream, piece) == bodies);
            CHECK_FALSE(splitter.inside_frame());
        }
    }
}

TEST_CASE("random frames in random pieces come out as they went in")
{
    CHECK(rc::check("frames survive any cut", [] {
        auto bodies = *rc::gen::container<std::vector<std::string>>(
            rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z'))));
        auto piece = *rc::gen::inRange<std::size_t>(1, 50);
        auto encoding = *rc::gen::element(Encoding::protobuf, Encoding::json);
        FrameSplitter splitter{encoding};
        RC_ASSERT(frames(splitter, written(encoding, bodies), piece) == bodies);
        RC_ASSERT(!splitter.inside_frame());
    }));
}

TEST_CASE("a stream cut at any place inside a frame is noticed")
{
    auto stream = framed("hello");
    for (std::size_t length = 1; length < stream.size(); ++length) {
        FrameSplitter splitter{Encoding::protobuf};
        CHECK(frames(splitter, stream.substr(0, length), 3).empty());
        CHECK(splitter.inside_frame());
    }
}

TEST_CASE("a length prefix above the limit ends the stream")
{
    for (std::size_t piece : {1, 4, 8}) {
        FrameSplitter splitter{Encoding::protobuf};
        const std::string stream("\xff\xff\xff\xff"
                                 "abcd",
                                 8);
        bool refused = false;
        for (std::size_t at = 0; at < stream.size() && !refused; at += piece)
            refused = !splitter.feed(bytes(stream).subspan(at, piece), [](auto) { return Result<>{}; });
        CHECK(refused);
    }
}

TEST_CASE("a line above the limit ends the stream")
{
    FrameSplitter splitter{Encoding::json};
    const std::string chunk(1 << 20, 'x');
    bool refused = false;
    for (int i = 0; i < 9 && !refused; ++i)
        refused = !splitter.feed(bytes(chunk), [](auto) { return Result<>{}; });
    CHECK(refused);
}

TEST_CASE("an error of the receiver stops the splitting")
{
    FrameSplitter splitter{Encoding::json};
    int seen = 0;
    auto fed = splitter.feed(bytes("a\nb\n"), [&](auto) -> Result<> {
        ++seen;
        return error("enough");
    });
    CHECK_FALSE(fed);
    CHECK(seen == 1);
}
