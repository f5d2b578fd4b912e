// What the user asked for, as one value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "model/address.hpp"
#include "output.hpp"

namespace naru::ctl {

enum class Verb { status, services, backends, maglev, affinity, ct, metrics, explain };

/// Which rows. Absent: all.
struct Filter {
    std::optional<std::string> ns;
    std::optional<Address> ip;
    std::optional<Port> port;
    std::optional<Protocol> protocol;
};

/// A flow that is to be explained.
struct Flow {
    std::optional<Address> from; ///< absent: a process of this node
    std::optional<Port> from_port;
    bool outside = false; ///< comes in over an uplink
    SocketAddress to;
    Protocol protocol = Protocol::tcp;
};

struct Options {
    Verb verb = Verb::status;
    std::filesystem::path bpf_path = "/sys/fs/bpf/naru";
    Format format = Format::table;
    bool headers = true;
    bool watch = false;
    Filter filter;
    std::string service; ///< of `maglev`: NS/NAME, NS/NAME:PORT or an ID
    Flow flow;           ///< of `explain`
};

struct CommandLine {
    Options options;
    std::optional<int> exit_code; ///< set: print `output` (to stderr unless 0) and leave with it
    std::string output;
};

/// Never exits, never prints.
CommandLine parse_command_line(int argc, const char* const* argv);

/// "10.0.0.1", "10.0.0.1:80", "fd00::1", "[fd00::1]", "[fd00::1]:80".
struct Endpoint {
    Address address;
    std::optional<Port> port;
};
std::optional<Endpoint> parse_endpoint(std::string_view text);

} // namespace naru::ctl
