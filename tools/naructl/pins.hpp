// The pinned maps as this tool sees them: open, never written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datapath/mapping.hpp"
#include "datapath/maps.hpp"

namespace naru::ctl {

/// The bytes of lb_arena. With a writable descriptor they are mapped read-only, which costs nothing; the
/// kernel maps no read-only descriptor, so there refresh() copies the whole value (about 3 ms per MiB).
class Arena {
public:
    explicit Arena(const Maps& maps);

    Result<std::span<const std::byte>> refresh(); ///< valid until the next call

private:
    int map_; ///< of the Maps it was made from
    std::size_t bytes_;
    std::optional<Mapping> mapped_; ///< absent: copies
    std::vector<std::byte> copy_;
};

/// What a verb will read.
enum class Need { tables, blocks };

/// Opens the pins below `bpf_path`. For blocks a writable descriptor is tried first, see Arena.
Result<Maps> open_pins(const std::filesystem::path& bpf_path, Need need);

/// The exit code and the line for a failed open_pins(): 3 with path, owner and mode, or 4.
struct Refusal {
    int exit_code = 1;
    std::string line;
};
Refusal explain_refusal(const std::filesystem::path& bpf_path, const Error& error);

/// A link that is pinned: a program on a hook.
struct PinnedLink {
    std::string hook;                     ///< "connect4", "tc_ingress"
    std::optional<std::uint32_t> ifindex; ///< absent: a cgroup hook

    friend auto operator<=>(const PinnedLink&, const PinnedLink&) = default;
};
PinnedLink parse_link_name(std::string_view name);                           ///< "tc_ingress-3", "connect4"
std::vector<PinnedLink> pinned_links(const std::filesystem::path& bpf_path); ///< sorted; unreadable: none

} // namespace naru::ctl
