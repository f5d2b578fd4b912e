#include <catch2/catch.hpp>

#include "builders.hpp"
#include "model/store.hpp"

using namespace naru;
using namespace naru::test;

namespace {

std::string dirty(Store& store)
{
    std::string out;
    for (const auto& key : store.take_dirty())
        out += (out.empty() ? "" : " ") + key.name;
    return out;
}

/// web with a slice, and db, all clean.
Store clean()
{
    Store store;
    store.put(service("web"));
    store.put(service("db", {"10.96.0.2"}));
    store.put(slice("web", {endpoint("10.0.0.1")}));
    store.put(view().node);
    store.take_dirty();
    return store;
}

} // namespace

TEST_CASE("a change makes its Service dirty, once", "[store]")
{
    Store store;
    store.put(service("web"));
    store.put(slice("web", {endpoint("10.0.0.1")}));
    CHECK(dirty(store) == "web");
    CHECK(dirty(store).empty());
}

TEST_CASE("a replayed or unknown event changes nothing", "[store]")
{
    auto store = clean();
    store.put(service("web"));
    store.put(slice("web", {endpoint("10.0.0.1")}));
    store.put(view().node);
    store.erase_service({"shop", "nobody"});
    store.erase_slice({"shop", "nobody"});
    CHECK(dirty(store).empty());
}

TEST_CASE("a complete set of one kind leaves the other kinds alone")
{
    auto store = clean();
    store.replace_services({{{"shop", "web"}, service("web")}});
    CHECK(dirty(store) == "db");
    CHECK(store.slices_of({"shop", "web"}).size() == 1);
    store.replace_slices({});
    CHECK(dirty(store) == "web");
    CHECK(store.services().size() == 1);
}

TEST_CASE("a slice that moves to another Service makes both dirty", "[store]")
{
    auto store = clean();
    auto moved = slice("web", {endpoint("10.0.0.1")});
    moved.service = "db";
    store.put(moved);
    CHECK(dirty(store) == "db web");
    CHECK(store.slices_of({"shop", "web"}).empty());
    CHECK(store.slices_of({"shop", "db"}).size() == 1);
}

TEST_CASE("a slice may arrive before its Service", "[store]")
{
    Store store;
    store.put(slice("web", {endpoint("10.0.0.1")}));
    store.take_dirty();
    store.put(service("web"));
    CHECK(dirty(store) == "web");
    CHECK(store.slices_of({"shop", "web"}).size() == 1);
}

TEST_CASE("a slice of nobody belongs to nobody", "[store]")
{
    auto store = clean();
    auto orphan = slice("web", {endpoint("10.0.0.9")}, "orphan");
    orphan.service = {};
    store.put(orphan);
    store.erase_slice(orphan.key);
    CHECK(dirty(store).empty());
}

TEST_CASE("slices come in the order of their keys", "[store]")
{
    auto store = clean();
    store.put(slice("web", {endpoint("10.0.0.3")}, "c"));
    store.put(slice("web", {endpoint("10.0.0.2")}, "b"));
    std::string names;
    for (const auto* s : store.slices_of({"shop", "web"}))
        names += s->key.name + " ";
    CHECK(names == "web-a web-b web-c ");
}

TEST_CASE("what is erased is gone and dirty", "[store]")
{
    auto store = clean();
    store.erase_slice({"shop", "web-a"});
    CHECK(dirty(store) == "web");
    CHECK(store.slices_of({"shop", "web"}).empty());
    store.erase_service({"shop", "db"});
    CHECK(dirty(store) == "db");
    CHECK(store.service({"shop", "db"}) == nullptr);
}

TEST_CASE("a changed Node concerns every Service", "[store]")
{
    auto store = clean();
    auto node = view().node;
    node.zone = "z2";
    store.put(node);
    CHECK(dirty(store) == "db web");
}

TEST_CASE("a snapshot replaces everything, and only what differs becomes dirty", "[store]")
{
    auto store = clean();
    Snapshot snapshot;
    for (auto s : {service("web"), service("new", {"10.96.0.3"})})
        snapshot.services.emplace(s.key, s);
    auto same = slice("web", {endpoint("10.0.0.1")});
    snapshot.slices.emplace(same.key, same);
    store.replace(snapshot);
    CHECK(dirty(store) == "db new");
    CHECK(store.service({"shop", "db"}) == nullptr);
    CHECK(store.node() == view().node);

    snapshot.slices.clear();
    store.replace(snapshot);
    CHECK(dirty(store) == "web");
}

TEST_CASE("a mark is a reason to look again", "[store]")
{
    auto store = clean();
    store.mark({"shop", "web"});
    CHECK(dirty(store) == "web");
    store.mark_all();
    CHECK(dirty(store) == "db web");
}

TEST_CASE("a list of one kind leaves the other kind alone", "[store]")
{
    auto store = clean();
    store.replace_services(std::map<ObjectKey, Service>{{{"shop", "web"}, service("web")}});
    CHECK(dirty(store) == "db");
    CHECK(store.slices_of({"shop", "web"}).size() == 1);
    store.replace_slices(std::map<ObjectKey, EndpointSlice>{});
    CHECK(dirty(store) == "web");
    CHECK(store.service({"shop", "web"}));
}

TEST_CASE("a held Service outlives a list without it, others do not, new ones come", "[store]")
{
    auto store = clean();
    store.replace_services(std::map<ObjectKey, Service>{{{"shop", "new"}, service("new", {"10.96.0.3"})}},
                           {{"shop", "db"}});
    CHECK(dirty(store) == "new web");
    CHECK(store.service({"shop", "db"}));
    CHECK_FALSE(store.service({"shop", "web"}));
}

TEST_CASE("slices of a held Service stay as they are, gone, emptied or moved away", "[store]")
{
    auto store = clean();
    store.put(slice("db", {endpoint("10.0.0.5")}));
    store.take_dirty();
    std::map<ObjectKey, EndpointSlice> listed;
    auto list = [&](EndpointSlice s) { listed.insert_or_assign(s.key, std::move(s)); };
    SECTION("gone") {}
    SECTION("emptied") { list(slice("web", {})); }
    SECTION("replaced by an empty one") { list(slice("web", {}, "b")); }
    SECTION("moved away")
    {
        auto moved = slice("web", {});
        moved.service = "db";
        list(moved);
    }
    store.replace_slices(listed, {{"shop", "web"}});
    CHECK(dirty(store) == "db");
    REQUIRE(store.slices_of({"shop", "web"}).size() == 1);
    CHECK(store.slices_of({"shop", "web"}).front()->endpoints.size() == 1);
    CHECK(store.slices_of({"shop", "db"}).empty());
}

TEST_CASE("only a Service with an endpoint in some slice has endpoints", "[store]")
{
    auto store = clean();
    store.put(slice("db", {}));
    auto orphan = slice("web", {endpoint("10.0.0.9")}, "orphan");
    orphan.service = {};
    store.put(orphan);
    CHECK(store.services_with_endpoints() == std::set<ObjectKey>{{"shop", "web"}});
}
