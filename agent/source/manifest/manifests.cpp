#include "manifests.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <set>
#include <utility>

#include "fields.hpp"
#include "file.hpp"
#include "watch.hpp"

namespace naru {

using namespace std::chrono_literals;
using std::filesystem::path;

namespace {

constexpr auto writer_silent = 1s;      ///< a writer that neither writes nor closes is taken as done
constexpr auto replaced_within = 250ms; ///< an editor that removes and creates a file anew is done by then
constexpr auto folder_retry = 1s;

bool is_manifest(const path& name)
{
    auto extension = name.extension();
    return !name.native().starts_with('.') &&
           (extension == ".yaml" || extension == ".yml" || extension == ".json");
}

/// A new link is complete; a new file still has a writer.
bool has_writer(const path& file)
{
    struct stat status{};
    return ::lstat(file.c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1;
}

Result<std::set<std::string>> list(const path& folder)
{
    std::set<std::string> names;
    std::error_code failed;
    for (std::filesystem::directory_iterator entry{folder, failed}, end; !failed && entry != end;
         entry.increment(failed))
        if (std::error_code unknown; is_manifest(entry->path().filename()) && !entry->is_directory(unknown))
            names.insert(entry->path().filename().native());
    if (failed)
        return std::unexpected{Error{failed, "list the manifest folder " + folder.string()}};
    return names;
}

} // namespace

struct Manifests::State {
    path folder;
    std::string node_name;
    std::function<Moment()> clock;
    std::unique_ptr<Watch> watch;

    std::map<std::string, File> files;
    std::map<path, FileObjects> good; ///< each file's last good state
    Settling settling;
    std::set<Complaint> told; ///< of the last merge
    std::string trouble;      ///< with the folder itself, as last told
    bool present = true;      ///< the folder is there and watched
    bool refilling = false;   ///< it came back, and no manifest has been seen in it yet

    void note(const Touch& touch, Moment now);
    void refresh(Moment now, std::vector<Complaint>& complaints);
    bool find_folder(std::vector<Complaint>& complaints);
    void load(const std::string& name, Moment now, std::vector<Complaint>& complaints);
    void miss(const std::set<std::string>& names, Moment now);
};

void Manifests::State::note(const Touch& touch, Moment now)
{
    if (!touch.name.empty() && !is_manifest(touch.name))
        return;
    switch (touch.kind) {
    case Touch::Kind::all:
        for (auto& [_, file] : files)
            file.touched = true;
        return;
    case Touch::Kind::folder_gone:
        present = false;
        return;
    case Touch::Kind::created:
        if (!has_writer(folder / touch.name)) {
            settling.release(touch.name);
            break;
        }
        [[fallthrough]];
    case Touch::Kind::modified:
        settling.hold(touch.name, now + writer_silent);
        break;
    case Touch::Kind::written:
        settling.release(touch.name);
        break;
    case Touch::Kind::removed:
        settling.hold(touch.name, now + replaced_within);
        return;
    }
    if (auto file = files.find(touch.name); file != files.end())
        file->second.touched = true;
}

/// Whether there is a folder to read; tells when it goes and when it comes back.
bool Manifests::State::find_folder(std::vector<Complaint>& complaints)
{
    if (present)
        return true;
    if (trouble.empty()) {
        trouble = "the folder is gone; its last state stays in use";
        complaints.push_back({folder, 0, trouble});
    }
    if (!watch->again())
        return false;
    complaints.push_back(
        {folder, 0, "the folder is back; its last state stays in use until it holds a manifest"});
    trouble.clear();
    present = refilling = true;
    for (auto& [_, file] : files)
        file.touched = true;
    return true;
}

void Manifests::State::refresh(Moment now, std::vector<Complaint>& complaints)
{
    settling.forget(now);
    if (!find_folder(complaints)) {
        watch->wake(now + folder_retry);
        return;
    }
    auto names = list(folder);
    if (!names) {
        if (std::exchange(trouble, names.error().message()) != names.error().message())
            complaints.push_back({folder, 0, trouble + "; its last state stays in use"});
        watch->wake(now + folder_retry);
        return;
    }
    trouble.clear();
    if (refilling && !names->empty()) {
        refilling = false;
        for (const auto& [name, _] : files)
            if (!names->contains(name))
                settling.hold(name, now + writer_silent);
    }
    for (const auto& name : *names)
        if (!settling.held(name, now))
            load(name, now, complaints);
    if (!refilling)
        miss(*names, now);
    watch->wake(settling.next());
}

/// Drops files that are not there any more, unless they only left to be replaced.
void Manifests::State::miss(const std::set<std::string>& names, Moment now)
{
    for (auto file = files.begin(); file != files.end();) {
        const auto& name = file->first;
        bool here = names.contains(name);
        bool expected = std::exchange(file->second.missing, !here);
        if (!here && !expected && !settling.held(name, now))
            settling.hold(name, now + replaced_within);
        if (here || settling.held(name, now)) {
            ++file;
            continue;
        }
        good.erase(folder / name);
        file = files.erase(file);
    }
}

void Manifests::State::load(const std::string& name, Moment now, std::vector<Complaint>& complaints)
{
    auto& file = files[name];
    path at = folder / name;
    std::vector<Complaint> found;

    auto content = file.read(at);
    if (!content) {
        bool swapped = content.error().code == std::errc::no_such_file_or_directory;
        if (swapped && !std::exchange(file.dangling, true)) {
            settling.hold(name, now + replaced_within); // a link whose target is about to be there
            return;
        }
        if (std::exchange(file.trouble, content.error().message()) != content.error().message())
            found.push_back({at, 0, file.trouble});
    } else {
        file.trouble.clear();
        file.dangling = false;
        if (!*content)
            return;
        if (auto objects = parse_manifest(**content, at, found)) {
            good.insert_or_assign(at, std::move(*objects));
            std::set<std::string> skipped;
            for (const auto& complaint : found)
                skipped.insert(complaint.what);
            std::erase_if(found,
                          [&](const Complaint& complaint) { return file.skipped.contains(complaint.what); });
            file.skipped = std::move(skipped);
        } else {
            std::erase_if(found, [](const Complaint& complaint) { return complaint.skipped; });
        }
    }
    for (auto& complaint : found) {
        if (!complaint.skipped)
            complaint.what += good.contains(at) ? "; the last good state of this file stays in use"
                                                : "; nothing of this file is in use";
        complaints.push_back(std::move(complaint));
    }
}

Result<Manifests> Manifests::open(const path& folder, std::string node_name, std::function<Moment()> clock)
{
    auto watch = Watch::open(folder);
    if (!watch)
        return std::unexpected{watch.error()};
    if (auto names = list(folder); !names)
        return std::unexpected{names.error()};
    auto state = std::make_unique<State>();
    state->folder = folder;
    state->node_name = std::move(node_name);
    state->clock = std::move(clock);
    state->watch = std::move(*watch);
    return Manifests{std::move(state)};
}

Snapshot Manifests::read(std::vector<Complaint>& complaints)
{
    state_->refresh(state_->clock(), complaints);

    std::vector<Complaint> found;
    auto snapshot = merge(state_->good, state_->node_name, found);
    std::set<Complaint> current{found.begin(), found.end()};
    std::ranges::set_difference(current, state_->told, std::back_inserter(complaints));
    state_->told = std::move(current);
    return snapshot;
}

int Manifests::event_fd() const { return state_->watch->fd(); }

void Manifests::drain()
{
    auto now = state_->clock();
    for (const auto& touch : state_->watch->drain())
        state_->note(touch, now);
}

Manifests::Manifests(std::unique_ptr<State> state) : state_{std::move(state)} {}
Manifests::Manifests(Manifests&&) noexcept = default;
Manifests& Manifests::operator=(Manifests&&) noexcept = default;
Manifests::~Manifests() = default;

std::string Complaint::text() const
{
    return line > 0 ? fmt::format("{}:{}: {}", printable(file.native(), 4096), line, what)
                    : fmt::format("{}: {}", printable(file.native(), 4096), what);
}

} // namespace naru
