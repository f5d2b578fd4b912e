#include <catch2/catch.hpp>

#include "source/kube/answer.hpp"

using namespace naru::kube;
using namespace std::chrono_literals;
using Failure = Reflector::Failure;

namespace {

Failure failure(unsigned code, Status status = {}) { return judge(Head{.status = code}, status).failure; }

} // namespace

TEST_CASE("each answer other than a good one has its meaning")
{
    CHECK(failure(400) == Failure::unsupported);
    CHECK(failure(401) == Failure::unauthorized);
    CHECK(failure(403) == Failure::forbidden);
    CHECK(failure(410) == Failure::gone);
    CHECK(failure(422) == Failure::unsupported);
    for (unsigned code : {200u, 204u, 301u, 302u, 307u, 308u, 404u, 406u, 415u, 429u, 500u, 503u, 504u})
        CHECK(failure(code) == Failure::transport);
}

TEST_CASE("a version from the future is told by the status's cause, whatever the code")
{
    CHECK(failure(504, {.version_too_large = true}) == Failure::too_large);
    CHECK(judge(Status{.code = 504, .version_too_large = true}).failure == Failure::too_large);
}

TEST_CASE("older servers tell it in words only")
{
    CHECK(failure(504, {.message = "Timeout: Too large resource version: 9, current: 3"}) ==
          Failure::too_large);
}

TEST_CASE("an error in a stream that says Expired or Gone is a 410 even without its code")
{
    CHECK(judge(Status{.reason = "Expired"}).failure == Failure::gone);
    CHECK(judge(Status{.reason = "Gone"}).failure == Failure::gone);
    CHECK(judge(Status{.code = 410}).failure == Failure::gone);
    CHECK(judge(Status{.code = 500, .reason = "InternalError"}).failure == Failure::transport);
}

TEST_CASE("the server says how long to wait in its header or in its status")
{
    CHECK(judge(Head{.status = 429, .retry_after = 7s}, {.retry_after_sec = 9}).retry_after == 7s);
    CHECK(judge(Head{.status = 429}, {.retry_after_sec = 9}).retry_after == 9s);
    CHECK_FALSE(judge(Head{.status = 429}, {}).retry_after);
}

TEST_CASE("a person reads the code and what the server says about it")
{
    CHECK(judge(Head{.status = 403}, {.message = "not for you"}).why == "HTTP 403: not for you");
    CHECK(judge(Head{.status = 503}, {}).why == "HTTP 503");
    CHECK(judge(Head{.status = 200, .content_type = "text/html"}, {}).why ==
          "answer of a foreign type: \"text/html\"");
}
