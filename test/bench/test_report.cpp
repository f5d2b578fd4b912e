#include <catch2/catch.hpp>

#include "bench/report.hpp"

using namespace naru::bench;

namespace {

Row row()
{
    Row made;
    made.group = "tc";
    made.title = "established";
    made.unit = "ns a packet";
    made.series = {{"fixed", {10, 12, 11}}, {"naru", {30, 36, 33}}};
    made.subject = "naru";
    made.compared = {"fixed"};
    made.targets = {{"naru", "fixed", 4}};
    return made;
}

} // namespace

TEST_CASE("a target over another series is a ratio, one over nothing is the median")
{
    auto made = row();
    CHECK(judge(made, {"naru", "fixed", 4}).value == Approx(3));
    CHECK(judge(made, {"naru", "fixed", 4}).met);
    CHECK_FALSE(judge(made, {"naru", "fixed", 2.9}).met);
    CHECK(judge(made, {"naru", "", 33}).met);
    CHECK_FALSE(judge(made, {"naru", "", 32}).met);
    CHECK_FALSE(judge(made, {"naru", "missing", 100}).met);
}

TEST_CASE("one missed target is enough to miss")
{
    Report report;
    report.rows = {row(), row()};
    CHECK(report.all_met());
    report.rows[1].targets.push_back({"naru", "fixed", 1});
    CHECK_FALSE(report.all_met());
}

TEST_CASE("the text shows medians, minima, ratios and what became of the target")
{
    Report report;
    report.rows = {row()};
    auto shown = text(report);
    CHECK_THAT(shown, Catch::Contains("11.0 (10.0)") && Catch::Contains("33.0 (30.0)") &&
                          Catch::Contains("3.00x") && Catch::Contains("naru 3.00x fixed <= 4x: met"));
    report.rows[0].targets = {{"naru", "fixed", 2}};
    CHECK_THAT(text(report), Catch::Contains("NOT met"));
}

TEST_CASE("a restless floor is named, unless the run was too short to be judged")
{
    Report report;
    report.rows = {row()};
    report.rows[0].floor_spread = 0.31;
    CHECK(report.restless().size() == 1);
    CHECK_THAT(text(report), Catch::Contains("RESTLESS") && Catch::Contains("floor spreads by 31 %"));
    CHECK_THAT(json(report), Catch::Contains("\"restless\": true"));
    report.quick = true;
    CHECK_THAT(text(report), !Catch::Contains("RESTLESS"));
}

TEST_CASE("rows with other columns begin another table")
{
    Report report;
    report.rows = {row(), row(), row()};
    report.rows[2].series.insert(report.rows[2].series.begin(), {"empty", {1, 1, 1}});
    auto shown = text(report);
    auto heads = [&] {
        std::size_t count = 0;
        for (auto at = shown.find("  case"); at != std::string::npos; at = shown.find("  case", at + 1))
            ++count;
        return count;
    };
    CHECK(heads() == 2);
}

TEST_CASE("JSON quotes what a machine calls itself")
{
    Report report;
    report.machine.cpu = "a \"b\" \\ c\t";
    CHECK_THAT(json(report), Catch::Contains(R"("a \"b\" \\ c\u0009")"));
}
