// The folder of pins: `<bpf-path>/v<ABI>/{maps,progs,links}` and `current`, which leads to the version in
// use. It is also the inventory: everything naru ever made in the kernel is pinned there, or dies with its
// process.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fd.hpp"
#include "model/result.hpp"

namespace naru {

class Pins {
public:
    /// Mounts bpffs where it is missing and may be, makes the folders, takes the lock and checks owners and
    /// modes. The lock is held as long as this object lives: one agent for each bpf_path.
    static Result<Pins> open(const std::filesystem::path& bpf_path);

    std::filesystem::path maps() const { return version_ / "maps"; }
    std::filesystem::path progs() const { return version_ / "progs"; }
    std::filesystem::path links() const { return version_ / "links"; }

    /// Makes `current` lead here. Readers look for the maps below it, so they must be complete.
    Result<> make_current() const;

private:
    Pins(UniqueFd lock, std::filesystem::path version) : lock_{std::move(lock)}, version_{std::move(version)}
    {
    }

    UniqueFd lock_;
    std::filesystem::path version_;
};

/// The object pinned at `path`, a file of ours that nobody else can replace. ENOENT: none.
Result<UniqueFd> open_pin(const std::filesystem::path& path);

/// Pins `object`; what was pinned there before is replaced in one step.
Result<> pin(int object, const std::filesystem::path& path);

/// No pin there is no error.
Result<> unpin(const std::filesystem::path& path);

/// Names in a folder of pins, sorted, without leftovers of an interrupted pin().
std::vector<std::string> pin_names(const std::filesystem::path& folder);

/// Where pin() prepares the replacement of `path`.
std::filesystem::path next_pin(const std::filesystem::path& path);

/// The lock of an existing bpf_path; for those who want to remove it.
Result<UniqueFd> lock_pins(const std::filesystem::path& bpf_path);

/// Folders of all versions below bpf_path, sorted.
std::vector<std::filesystem::path> version_folders(const std::filesystem::path& bpf_path);

} // namespace naru
