#include <catch2/catch.hpp>

#include <atomic>

#include "verification.hpp"

using namespace naru;

TEST_CASE("what the verifier said reaches the loop, in the loop's thread")
{
    boost::asio::io_context io{1};
    std::thread::id loaded_in;
    Verification verification{io, [&]() -> Result<Programs> {
                                  loaded_in = std::this_thread::get_id();
                                  return error("refused");
                              }};
    std::string said;
    std::thread::id told_in;
    verification.then([&](Result<Programs> programs) {
        REQUIRE_FALSE(programs);
        said = programs.error().message();
        told_in = std::this_thread::get_id();
        io.stop();
    });
    const auto keep = boost::asio::make_work_guard(io);
    io.run();
    CHECK(said == "refused");
    CHECK(told_in == std::this_thread::get_id());
    CHECK(loaded_in != told_in);
}

TEST_CASE("a loop that ends early waits for the verifier and tells nobody")
{
    std::atomic<bool> done = false;
    {
        boost::asio::io_context io{1};
        Verification verification{io, [&]() -> Result<Programs> {
                                      std::this_thread::sleep_for(std::chrono::milliseconds{50});
                                      done = true;
                                      return Programs{};
                                  }};
        verification.then([](const Result<Programs>&) { FAIL("nobody listens any more"); });
    }
    CHECK(done);
}
