// Each data file holds `objects` (a stream of Kubernetes documents), `tables` (the text of render()), and may
// hold `node` (settings of this node) and `notices` (what people are told, in the order of the documents).
// Whatever the order in which objects come, the tables are the same, and when all are gone nothing is left.
#include <catch2/catch.hpp>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <variant>

#include "../unit/builders.hpp"
#include "model/plan.hpp"
#include "source/manifest/manifests.hpp"

using namespace naru;

namespace {

using Object = std::variant<Service, EndpointSlice, Node>;

/// A document may hold several objects (a List, an Endpoints of both families).
std::vector<Object> read_objects(const std::string& stream, const std::filesystem::path& file)
{
    std::vector<Object> objects;
    std::istringstream lines{stream};
    std::string document, line;
    auto finish = [&] {
        std::vector<Complaint> complaints;
        auto parsed = parse_manifest(std::exchange(document, {}), file, complaints);
        for (const auto& complaint : complaints)
            FAIL_CHECK(complaint.text());
        REQUIRE(parsed);
        for (auto& [_, service] : parsed->services)
            objects.emplace_back(std::move(service));
        for (auto& [_, slice] : parsed->slices)
            objects.emplace_back(std::move(slice));
        for (auto& [_, slices] : parsed->endpoints)
            for (auto& slice : slices)
                objects.emplace_back(std::move(slice));
        for (auto& [_, node] : parsed->nodes)
            objects.emplace_back(std::move(node));
    };
    while (std::getline(lines, line))
        if (line == "---")
            finish();
        else
            document += line + '\n';
    finish();
    return objects;
}

Address address(const YAML::Node& text)
{
    auto parsed = Address::parse(text.as<std::string>());
    INFO("node setting " << text.as<std::string>());
    REQUIRE(parsed);
    return *parsed;
}

std::vector<Cidr> cidrs(const YAML::Node& list)
{
    std::vector<Cidr> out;
    for (const auto& text : list)
        out.push_back(Cidr::parse(text.as<std::string>()).value());
    return out;
}

NodePortAddresses node_port_addresses(const YAML::Node& list)
{
    NodePortAddresses out{.primary = false, .cidrs = {}};
    for (const auto& entry : list) {
        auto text = entry.as<std::string>();
        if (text == "primary")
            out.primary = true;
        else if (text == "localhost")
            out.localhost = true;
        else if (text == "all")
            out.all = true;
        else
            out.cidrs.push_back(Cidr::parse(text).value());
    }
    return out;
}

NodeView read_view(const YAML::Node& settings)
{
    NodeView view;
    view.node.name = "n1";
    for (const auto& entry : settings) {
        auto key = entry.first.as<std::string>();
        const auto& value = entry.second;
        if (key == "name")
            view.node.name = value.as<std::string>();
        else if (key == "zone")
            view.node.zone = value.as<std::string>();
        else if (key == "addresses")
            for (const auto& text : value)
                view.node.addresses.push_back(address(text));
        else if (key == "interfaces")
            for (const auto& text : value)
                view.interface_addresses.insert(address(text));
        else if (key == "nodeport-addresses")
            view.node_ports = node_port_addresses(value);
        else if (key == "external-ips")
            view.external_ips = {.on = !value.IsScalar(), .only = cidrs(value)};
        else if (key == "api-servers")
            for (const auto& text : value)
                view.api_servers.insert(test::at(text.as<std::string>()));
        else if (key == "service-proxy-name")
            view.proxy_name = value.as<std::string>();
        else
            FAIL("unknown node setting " << key);
    }
    return view;
}

/// The agent's loop with tables in place of a kernel. Every object is a step of its own.
class World {
public:
    explicit World(NodeView view) : view_{std::move(view)} { planner_.settle(installed_); }

    void add(const Object& object)
    {
        std::visit([this](const auto& value) { put(value); }, object);
        step();
    }

    void remove(const Object& object)
    {
        if (const auto* service = std::get_if<Service>(&object))
            store_.erase_service(service->key);
        else if (const auto* slice = std::get_if<EndpointSlice>(&object))
            store_.erase_slice(slice->key);
        step();
    }

    const Tables& installed() const { return installed_; }
    const std::string& notices() const { return notices_; }

private:
    void put(const Service& service) { store_.put(service); }
    void put(const EndpointSlice& slice) { store_.put(slice); }
    void put(const Node& node)
    {
        if (node.name != view_.node.name)
            return;
        store_.put(node);
        view_.node = node;
        store_.mark_all();
    }

    void step()
    {
        auto plan = planner_.update(store_, store_.take_dirty(), view_, installed_);
        for (const auto& notice : plan.notices)
            notices_ += notice.service.text() + ' ' + notice.reason + ": " + notice.message + '\n';
        auto failures = carry_out(plan.changes, installed_, one_by_one([this](const Change& change) {
                                      std::visit([this](const auto& kind) { apply(kind); }, change);
                                      check_references();
                                      return Result<>{};
                                  }));
        REQUIRE(failures.empty());
        REQUIRE(planner_.remaining(installed_).empty());
        REQUIRE(installed_ == planner_.wanted());
    }

    void apply(const PutService& put) { installed_.services.insert_or_assign(put.id, put.row); }
    void apply(const PutFrontend& put) { installed_.frontends.insert_or_assign(put.key, put.row); }
    void apply(const EraseFrontend& erase) { installed_.frontends.erase(erase.key); }
    void apply(const EraseService& erase) { installed_.services.erase(erase.id); }

    /// A packet between any two changes must find what a frontend names.
    void check_references()
    {
        for (const auto& [key, row] : installed_.frontends)
            for (const auto* side : {&row.inside, &row.outside})
                if (*side && !installed_.services.contains(**side))
                    FAIL(key.text() << " names " << (*side)->text() << ", which is not there");
    }

    NodeView view_;
    Store store_;
    Planner planner_;
    Tables installed_;
    std::string notices_;
};

std::vector<std::filesystem::path> data_files()
{
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator{GOLDEN_DIR})
        if (entry.path().extension() == ".yaml")
            files.push_back(entry.path());
    std::ranges::sort(files);
    return files;
}

} // namespace

TEST_CASE("objects become tables in any order and leave nothing behind", "[golden]")
{
    const auto files = data_files();
    REQUIRE(files.size() >= 10);
    for (const auto& file : files) {
        DYNAMIC_SECTION(file.stem().string())
        {
            auto golden = YAML::LoadFile(file);
            for (const auto& entry : golden)
                REQUIRE(std::set<std::string>{"node", "objects", "tables", "notices"}.contains(
                    entry.first.as<std::string>()));
            const auto objects = read_objects(golden["objects"].as<std::string>(), file);
            const auto tables = golden["tables"].as<std::string>();
            const auto view = read_view(golden["node"]);

            World forward{view};
            for (const auto& object : objects)
                forward.add(object);
            CHECK(render(forward.installed()) == tables);
            CHECK(forward.notices() == golden["notices"].as<std::string>(""));

            World backward{view};
            for (auto object = objects.rbegin(); object != objects.rend(); ++object)
                backward.add(*object);
            CHECK(render(backward.installed()) == tables);

            for (const auto& object : objects)
                forward.remove(object);
            CHECK(render(forward.installed()).empty());
            for (auto object = objects.rbegin(); object != objects.rend(); ++object)
                backward.remove(*object);
            CHECK(render(backward.installed()).empty());
        }
    }
}
