// Survivable failures are values: what failed and why.
#pragma once

#include <cerrno>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace naru {

struct Error {
    std::error_code code; ///< empty when no system call failed
    std::string what;     ///< one clause, no full stop: "open pinned map /sys/fs/bpf/..."

    /// One line for a person: the clause and, where there is one, the system's reason.
    std::string message() const { return code ? what + ": " + code.message() : what; }
};

/// How far a list got that was worked through in its order, up to the first failure.
struct Progress {
    std::size_t done = 0;
    std::optional<Error> error; ///< why the next one failed; absent: all is done
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> error(std::string what) { return std::unexpected{Error{{}, std::move(what)}}; }

/// The calling thread's errno, or `number` where the call returned it.
inline std::unexpected<Error> sys_error(std::string what, int number = errno)
{
    return std::unexpected{Error{{number, std::system_category()}, std::move(what)}};
}

} // namespace naru
