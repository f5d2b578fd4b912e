// Events as text: what the API server gets, byte by byte where it matters.
#include <catch2/catch.hpp>

#include <boost/json.hpp>

#include "source/kube/event_body.hpp"

using namespace naru;
using namespace naru::kube;
namespace json = boost::json;

namespace {

Occurrence conflict()
{
    return {.object = {"shop", "web"},
            .uid = "uid-web",
            .reason = "FrontendConflict",
            .message = "served for a/b"};
}

} // namespace

TEST_CASE("an Event names its Service, what happened, who says it and when")
{
    const auto body = event_body("web.1", conflict(), {1767323045, 1767323105, 3}, "n1");
    CHECK(json::parse(body) == json::parse(R"({
        "apiVersion": "v1", "kind": "Event",
        "metadata": {"name": "web.1", "namespace": "shop"},
        "involvedObject": {"apiVersion": "v1", "kind": "Service", "namespace": "shop", "name": "web",
                           "uid": "uid-web"},
        "reason": "FrontendConflict", "message": "served for a/b", "type": "Warning",
        "source": {"component": "naru-agent", "host": "n1"},
        "reportingComponent": "naru-agent", "reportingInstance": "n1",
        "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:05:05Z", "count": 3})"));
    auto good = conflict();
    good.warning = false;
    CHECK(json::parse(event_body("web.1", good, {}, "n1")).at("type") == "Normal");
}

TEST_CASE("an Event about a Node is written where those of other components are")
{
    auto doubt = conflict();
    doubt.object = {{}, "n1"};
    CHECK(event_namespace(doubt) == "default");
    CHECK(event_namespace(conflict()) == "shop");
    const auto event = json::parse(event_body("n1.1", doubt, {}, "n1"));
    CHECK(event.at("metadata").at("namespace") == "default");
    CHECK(event.at("involvedObject") ==
          json::parse(R"({"apiVersion": "v1", "kind": "Node", "name": "n1", "uid": "uid-web"})"));
}

TEST_CASE("a patch holds only what a repetition changes")
{
    CHECK(json::parse(event_patch({1767323045, 1767323105, 3})) == json::parse(R"({
        "firstTimestamp": "2026-01-02T03:04:05Z", "lastTimestamp": "2026-01-02T03:05:05Z", "count": 3})"));
}

TEST_CASE("all nodes give one name to what they all say, and names of their own to what one says")
{
    const auto shared = conflict();
    CHECK(event_name(shared, "n1") == event_name(shared, "n2"));
    CHECK_THAT(event_name(shared, "n1"), Catch::Matches("web\\.[0-9a-f]{16}"));
    auto own = shared;
    own.of_this_node = true;
    CHECK(event_name(own, "n1") != event_name(own, "n2"));
    CHECK(event_name(own, "n1") != event_name(shared, "n1"));
}

TEST_CASE("whatever differs in an occurrence gives another name")
{
    const auto first = event_name(conflict(), "n1");
    auto other = conflict();
    other.uid = "uid-2";
    CHECK(event_name(other, "n1") != first);
    other = conflict();
    other.reason = "NoRoom";
    CHECK(event_name(other, "n1") != first);
    other = conflict();
    other.message += '.';
    CHECK(event_name(other, "n1") != first);
    CHECK(event_name(conflict(), "n1") == first);
}

TEST_CASE("names do not change from release to release")
{
    CHECK(stable_hash("") == 0xcbf29ce484222325);
    CHECK(stable_hash("a") == 0xaf63dc4c8601ec8c); // published vectors of FNV-1a
    CHECK(stable_hash("foobar") == 0x85944171f73967e8);
}

TEST_CASE("what could mislead the reader of a message is shown as a number")
{
    const std::pair<std::string, std::string> cases[] = {
        {"plain \"text\" \\ 1", "plain \"text\" \\ 1"},
        {"größer – 日本 😀", "größer – 日本 😀"},
        {"a\nb\tc\x1b[2J\x7f", R"(a\x0ab\x09c\x1b[2J\x7f)"},
        {std::string{"a\0b", 3}, R"(a\x00b)"},
        {"\u202egnp.exe\u2066\u200f\u061c", R"(\u{202e}gnp.exe\u{2066}\u{200f}\u{61c})"},
        {"\u0085\u2028", R"(\u{85}\u{2028})"},
        {"\xff\xc3(", R"(\xff\xc3()"},
        {"\xc0\xaf", R"(\xc0\xaf)"},                 // "/" in two bytes
        {"\xed\xa0\x80", R"(\xed\xa0\x80)"},         // a surrogate
        {"\xf4\x90\x80\x80", R"(\xf4\x90\x80\x80)"}, // above U+10FFFF
        {"\xf8\x88\x80\x80\x80", R"(\xf8\x88\x80\x80\x80)"},
        {"cut \xe6\x97", R"(cut \xe6\x97)"},
    };
    for (const auto& [in, out] : cases) {
        CHECK(event_message(in) == out);
        CHECK(event_message(out) == out);
    }
}

TEST_CASE("a message is at most 1,024 bytes, cut between characters and marked")
{
    CHECK(event_message(std::string(1024, 'a')) == std::string(1024, 'a'));
    CHECK(event_message(std::string(1025, 'a')) == std::string(1021, 'a') + "...");
    std::string wide;
    for (int i = 0; i < 1000; i++)
        wide += "é";
    CHECK(event_message(wide) == wide.substr(0, 1020) + "...");
    CHECK(event_message(std::string(100'000, '\n')).size() <= 1024);
    CHECK_THAT(event_message(std::string(100'000, '\n')), Catch::EndsWith("\\x0a..."));
}

TEST_CASE("only names that are safe in a path are names")
{
    for (const auto* good : {"web", "web-1", "a.b", "0"})
        CHECK(is_dns_name(good));
    for (const auto* bad : {"", "..", ".", "a/b", "a b", "A", "a%2f", "a?b", "ä"})
        CHECK_FALSE(is_dns_name(bad));
    CHECK_FALSE(is_dns_name(std::string(254, 'a')));
}
