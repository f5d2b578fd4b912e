// A folder of standard Kubernetes YAML as a source: v1 Service, discovery.k8s.io/v1 EndpointSlice, v1
// Endpoints, v1 Node, List, several documents a file. Watched with inotify.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/result.hpp"
#include "model/store.hpp"

namespace naru {

/// A line for a person: "web.yaml:12: Service shop/web: port: 0 is not between 1 and 65535; the last good
/// state of this file stays in use".
struct Complaint {
    std::filesystem::path file;
    int line = 0; ///< 1-based; 0: the whole file
    std::string what;
    bool skipped = false; ///< something in a good file that is not for naru, such as a Deployment

    std::string text() const;
    friend auto operator<=>(const Complaint&, const Complaint&) = default;
};

/// The objects of one file.
struct FileObjects {
    std::map<ObjectKey, Service> services;
    std::map<ObjectKey, EndpointSlice> slices;
    std::map<ObjectKey, std::vector<EndpointSlice>> endpoints; ///< v1 Endpoints, as slices
    std::map<std::string, Node> nodes;
};

/// Pure. A syntax error or an object with an impossible value makes the whole file bad: no answer, one
/// complaint. Unknown kinds are complained of once each and skipped, the rest of the file is good.
std::optional<FileObjects> parse_manifest(const std::string& text, const std::filesystem::path& file,
                                          std::vector<Complaint>& complaints);

/// What all files say together. Pure. An object in two files: the file that sorts first has it. Endpoints of
/// a Service that has EndpointSlices are left out. Both are complained of.
Snapshot merge(const std::map<std::filesystem::path, FileObjects>& files, const std::string& node_name,
               std::vector<Complaint>& complaints);

/// The folder. Files end in .yaml, .yml or .json; hidden ones and sub-folders are left alone. Symbolic links
/// are followed, so a ConfigMap volume works. Files being written are read when their writer is done; a file
/// or a folder that is being replaced keeps its objects until the new one is there.
class Manifests {
public:
    /// Fails when the folder cannot be read or watched.
    static Result<Manifests>
    open(const std::filesystem::path& folder, std::string node_name,
         std::function<std::chrono::steady_clock::time_point()> clock = std::chrono::steady_clock::now);

    /// All objects of all files, each file in its last good state. `complaints` gets what is new since the
    /// last call.
    Snapshot read(std::vector<Complaint>& complaints);

    int
    event_fd() const; ///< readable (level-triggered, may be polled): something changed; drain(), then read()
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
