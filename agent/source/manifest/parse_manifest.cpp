#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "manifests.hpp"
#include "objects.hpp"

namespace naru {

using yaml::Value;

namespace {

constexpr std::string_view core = "v1";
constexpr std::string_view discovery = "discovery.k8s.io/v1";

/// Reads one file's objects; stops at the first that is wrong.
class FileReader {
public:
    FileReader(const std::filesystem::path& file, std::vector<Complaint>& complaints)
        : file_{file}, complaints_{complaints}
    {
    }

    bool read(const Value& document)
    {
        return document.kind() == yaml::Kind::null || read_object(document, "", "");
    }

    FileObjects take() { return std::move(objects_); }

private:
    /// Elements of a typed list, such as ServiceList, may leave out what the list says for them.
    bool read_object(const Value& object, std::string_view listed_kind, std::string_view listed_version)
    {
        Fields fields;
        if (object.kind() != yaml::Kind::map)
            fields.fail(object, "not a Kubernetes object");
        auto kind = fields.text(object, "kind").value_or(std::string{listed_kind});
        auto version = fields.text(object, "apiVersion").value_or(std::string{listed_version});
        if (kind.empty() || version.empty())
            fields.fail(object, "not a Kubernetes object: kind or apiVersion is missing");

        if (is_list(kind, version)) {
            auto element_kind =
                std::string_view{kind}.substr(0, kind.size() - std::string_view{"List"}.size());
            auto element_version = element_kind.empty() ? std::string_view{} : std::string_view{version};
            for (const auto& item : fields.maps(object, "items"))
                if (!fields.problem() && !read_object(item, element_kind, element_version))
                    return false;
        } else if (version == core && kind == "Service") {
            auto service = read_service(fields, object);
            keep(fields, object, objects_.services, service.key, std::move(service));
        } else if (version == discovery && kind == "EndpointSlice") {
            auto slice = read_slice(fields, object);
            keep(fields, object, objects_.slices, slice.key, std::move(slice));
        } else if (version == core && kind == "Endpoints") {
            keep(fields, object, objects_.endpoints, fields.object_key(object),
                 read_endpoints(fields, object));
        } else if (version == core && kind == "Node") {
            auto node = read_node(fields, object);
            keep(fields, object, objects_.nodes, node.name, std::move(node));
        } else if (!fields.problem()) {
            skip(object, kind, version);
        }
        return good(fields, object, kind);
    }

    static bool is_list(std::string_view kind, std::string_view version)
    {
        constexpr std::array lists{"List", "ServiceList", "EndpointsList", "NodeList"};
        return version == core ? std::ranges::find(lists, kind) != lists.end()
                               : version == discovery && kind == "EndpointSliceList";
    }

    template <class Key, class T>
    static void keep(Fields& fields, const Value& object, std::map<Key, T>& kept, Key key, T&& value)
    {
        if (!fields.problem() && !kept.try_emplace(std::move(key), std::forward<T>(value)).second)
            fields.fail(object, "appears twice in this file");
    }

    void skip(const Value& object, const std::string& kind, const std::string& version)
    {
        if (skipped_.emplace(kind, version).second)
            complaints_.push_back(
                {file_, object.line(),
                 fmt::format("{} of {} is not for naru", printable(kind), printable(version)), true});
    }

    bool good(const Fields& fields, const Value& object, std::string_view kind)
    {
        if (!fields.problem())
            return true;
        auto metadata = object.find("metadata");
        auto name = metadata.find("name").scalar(), ns = metadata.find("namespace").scalar();
        std::string who = name.empty() ? ""
                                       : printable(kind) + ' ' + (ns.empty() ? "" : printable(ns) + '/') +
                                             printable(name) + ": ";
        complaints_.push_back({file_, fields.problem()->line, who + fields.problem()->what});
        return false;
    }

    const std::filesystem::path& file_;
    std::vector<Complaint>& complaints_;
    FileObjects objects_;
    std::set<std::pair<std::string, std::string>> skipped_;
};

} // namespace

std::optional<FileObjects> parse_manifest(const std::string& text, const std::filesystem::path& file,
                                          std::vector<Complaint>& complaints)
{
    auto documents = yaml::Documents::parse(text);
    if (!documents) {
        complaints.push_back({file, documents.error().line, documents.error().what});
        return std::nullopt;
    }
    FileReader reader{file, complaints};
    for (const auto& document : documents->roots())
        if (!reader.read(document))
            return std::nullopt;
    return reader.take();
}

} // namespace naru
