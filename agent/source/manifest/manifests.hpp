// A folder of standard Kubernetes YAML as a source: v1 Service, discovery.k8s.io/v1 EndpointSlice, v1 Endpoints,
// v1 Node, List, several documents a file. Watched with inotify.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "model/result.hpp"
#include "model/store.hpp"

namespace naru {

/// A line for a person: "web.yaml:12: port 0 is not a port; kept the last good state of this file".
struct Complaint {
    std::filesystem::path file;
    int line = 0; ///< 1-based; 0: the whole file
    std::string what;

    std::string text() const;
    friend auto operator<=>(const Complaint&, const Complaint&) = default;
};

/// The objects of one file. A syntax error or an object with an impossible value makes the whole file bad (nullopt
/// and a complaint); unknown kinds are complained of and skipped, the rest of the file is good.
struct FileObjects {
    std::map<ObjectKey, Service> services;
    std::map<ObjectKey, EndpointSlice> slices;
    std::map<std::string, Node> nodes;
};
std::optional<FileObjects> parse_manifest(const std::string& text, const std::filesystem::path& file,
                                          std::vector<Complaint>& complaints);

/// The folder. Files end in .yaml, .yml or .json; hidden ones and sub-folders are left alone.
class Manifests {
public:
    /// Fails when the folder cannot be read or watched.
    static Result<Manifests> open(const std::filesystem::path& folder, std::string node_name);

    /// All objects of all files, each file in its last good state. One object in two files: the file that sorts
    /// first has it, the other is complained of. `complaints` holds what is new since the last call.
    Snapshot read(std::vector<Complaint>& complaints);

    int event_fd() const; ///< readable: something changed; then drain() and read()
    void drain();

    Manifests(Manifests&&) noexcept;
    Manifests& operator=(Manifests&&) noexcept;
    ~Manifests();

private:
    struct State;
    explicit Manifests(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

} // namespace naru
