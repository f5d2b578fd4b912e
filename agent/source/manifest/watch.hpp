// What happens in a folder, as inotify tells it, and when a name that was touched may be believed.
#pragma once

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/result.hpp"

namespace naru {

using Moment = std::chrono::steady_clock::time_point;

/// Names to be left as they are until a moment: a file whose writer is not done, one that editors are
/// replacing.
class Settling {
public:
    void hold(const std::string& name, Moment until) { until_[name] = until; }
    void release(const std::string& name) { until_.erase(name); }
    bool held(const std::string& name, Moment now) const;
    void forget(Moment now); ///< what is over at `now`
    std::optional<Moment> next() const;

private:
    std::map<std::string, Moment> until_;
};

struct Touch {
    enum class Kind { created, modified, written, removed, all, folder_gone };

    Kind kind;
    std::string name; ///< empty for `all` and `folder_gone`
};

class Watch {
public:
    static Result<std::unique_ptr<Watch>> open(const std::filesystem::path& folder);

    /// Readable when something happened or the moment of wake() came.
    int fd() const { return poll_; }
    std::vector<Touch> drain();
    bool again(); ///< watches the folder anew, after folder_gone; false when there is none
    void wake(std::optional<Moment> at);

    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();

private:
    explicit Watch(std::filesystem::path folder) : folder_{std::move(folder)} {}
    Result<> start();

    std::filesystem::path folder_;
    int inotify_ = -1;
    int timer_ = -1;
    int poll_ = -1; ///< epoll over both
    int folder_watch_ = -1;
};

} // namespace naru
