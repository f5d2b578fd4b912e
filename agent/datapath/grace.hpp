// When nobody can still be reading what was taken out of the tables: programs run inside RCU read sections,
// so it is after the next grace period.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace naru {

class GracePeriod {
public:
    /// Returns after every program that ran when it was called has ended; false: this kernel cannot tell.
    using Wait = std::function<bool()>;

    explicit GracePeriod(Wait wait = wait_for_programs);
    GracePeriod(const GracePeriod&) = delete;
    GracePeriod& operator=(const GracePeriod&) = delete;
    ~GracePeriod() = default;

    /// Something has just become unreachable for new readers: the ticket tells when for old ones too.
    std::uint64_t begin();
    bool passed(std::uint64_t ticket) const;
    void wait(std::uint64_t ticket); ///< until it has passed

    static bool wait_for_programs(); ///< membarrier(2)

private:
    void run(std::stop_token stop);

    Wait wait_;
    mutable std::mutex mutex_;
    std::condition_variable_any changed_;
    std::uint64_t begun_ = 0;
    std::uint64_t passed_ = 0;
    std::jthread thread_; ///< last: it uses all of the above
};

} // namespace naru
