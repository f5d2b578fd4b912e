#include <catch2/catch.hpp>

#include "model/time.hpp"

using naru::parse_time;

TEST_CASE("times of RFC 3339 become Unix time")
{
    CHECK(parse_time("1970-01-01T00:00:00Z") == 0);
    CHECK(parse_time("2024-02-29T12:34:56Z") == 1709210096);
    CHECK(parse_time("2024-02-29T12:34:56.999Z") == 1709210096);
    CHECK(parse_time("2024-02-29T14:04:56+01:30") == 1709210096);
    CHECK(parse_time("2024-02-29t11:34:56-01:00") == 1709210096);
    CHECK(parse_time("1969-12-31T23:59:59Z") == -1);
}

TEST_CASE("what is not a time is not taken for one")
{
    for (const char* text : {"", "2024-02-29", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
                             "2024-01-01T24:00:00Z", "2024-01-01 00:00:00Z", "2024-01-01T00:00:00",
                             "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00.5", "2024-01-01T00:00:00+0100",
                             "2024-01-01T00:00:00Zx", "-024-01-01T00:00:00Z", "2024-01-01T00:00:00+24:00"}) {
        CAPTURE(text);
        CHECK_FALSE(parse_time(text));
    }
}
