#include <fmt/format.h>

#include <set>

#include "fields.hpp"
#include "manifests.hpp"

namespace naru {

namespace {

using std::filesystem::path;

class Merger {
public:
    explicit Merger(std::vector<Complaint>& complaints) : complaints_{complaints} {}

    /// Whether `file` is the first to have this object; if not, it is told.
    bool first(const path& file, std::string_view kind, const std::string& name)
    {
        auto object = fmt::format("{} {}", kind, name);
        auto [owner, fresh] = owners_.try_emplace(object, &file);
        if (!fresh)
            complaints_.push_back({file, 0,
                                   fmt::format("{} is left out: {}, which sorts first, has it too", object,
                                               in_quotes(owner->second->filename().native()))});
        return fresh;
    }

private:
    std::vector<Complaint>& complaints_;
    std::map<std::string, const path*> owners_;
};

} // namespace

Snapshot merge(const std::map<path, FileObjects>& files, const std::string& node_name,
               std::vector<Complaint>& complaints)
{
    Snapshot out;
    Merger merger{complaints};
    std::set<ObjectKey> sliced;

    for (const auto& [file, objects] : files) {
        for (const auto& [key, service] : objects.services)
            if (merger.first(file, "Service", key.text()))
                out.services.emplace(key, service);
        for (const auto& [key, slice] : objects.slices)
            if (merger.first(file, "EndpointSlice", key.text())) {
                out.slices.emplace(key, slice);
                sliced.insert(slice.service_key());
            }
        for (const auto& [name, node] : objects.nodes)
            if (merger.first(file, "Node", name) && name == node_name)
                out.node = node;
    }

    for (const auto& [file, objects] : files)
        for (const auto& [key, slices] : objects.endpoints)
            if (sliced.contains(key))
                complaints.push_back(
                    {file, 0,
                     fmt::format("Endpoints {} is left out: the Service has EndpointSlices", key.text())});
            else if (merger.first(file, "Endpoints", key.text()))
                for (const auto& slice : slices)
                    out.slices.emplace(slice.key, slice);
    return out;
}

} // namespace naru
