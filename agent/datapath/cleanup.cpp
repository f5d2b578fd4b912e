// The only path that detaches everything.
#include <system_error>

#include "attach.hpp"
#include "datapath.hpp"
#include "pins.hpp"

namespace naru {

namespace fs = std::filesystem;

namespace {

Result<> remove_version(const fs::path& folder)
{
    std::error_code failed;
    for (const auto& name : pin_names(folder / "links"))
        if (auto path = folder / "links" / name; fs::is_regular_file(fs::symlink_status(path, failed)))
            if (auto gone = detach_pin(path); !gone)
                return gone;
    fs::remove_all(folder, failed);
    if (failed)
        return std::unexpected{Error{failed, "remove " + folder.string()}};
    return {};
}

} // namespace

Result<> Datapath::cleanup(const fs::path& bpf_path)
{
    auto lock = lock_pins(bpf_path);
    if (!lock && lock.error().code == std::errc::no_such_file_or_directory)
        return {};
    if (!lock)
        return std::unexpected{lock.error()};
    for (const auto& folder : version_folders(bpf_path))
        if (auto removed = remove_version(folder); !removed)
            return removed;
    for (const auto& link : {bpf_path / "current", next_pin(bpf_path / "current")})
        if (auto gone = unpin(link); !gone)
            return gone;
    // Whatever else lies there, or is mounted there, is not naru's.
    std::error_code kept;
    fs::remove(bpf_path, kept);
    return {};
}

} // namespace naru
