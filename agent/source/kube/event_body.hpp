// A v1 Event as naru writes it: its name, its text, its JSON. Pure. (A watch has events too: object.hpp.)
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "model/service.hpp"

namespace naru::kube {

/// What a person is to hear about a Service or a Node.
struct Occurrence {
    ObjectKey object; ///< a Service; a Node has no namespace
    std::string uid;  ///< of the object
    std::string reason;
    std::string message;
    bool warning = true;
    bool of_this_node = false; ///< else the agents of all nodes say the same
};

/// How often it was seen, and when (Unix time).
struct Sightings {
    std::int64_t first_sec = 0;
    std::int64_t last_sec = 0;
    std::uint32_t count = 0;
};

/// Where its Event is written: beside the Service; what concerns a Node is in "default".
std::string_view event_namespace(const Occurrence& occurrence);

/// "web.6c1fa34b02d8e977": equal for equal occurrences. What all nodes say has one name in the cluster, so
/// that one Event is made of it; what one node says has a name of that node.
std::string event_name(const Occurrence& occurrence, std::string_view node);

/// For POST.
std::string event_body(const std::string& name, const Occurrence& occurrence, const Sightings& seen,
                       const std::string& node);

/// For PATCH, as a JSON merge patch.
std::string event_patch(const Sightings& seen);

/// Text of unknown origin as an Event may carry it: at most 1,024 bytes of valid UTF-8, without characters
/// that move a cursor or turn the direction of writing.
std::string event_message(std::string_view text);

/// Of namespaces and Services: it becomes part of a path.
bool is_dns_name(std::string_view text);

/// FNV-1a: the same on every node and in every release.
std::uint64_t stable_hash(std::string_view text);

} // namespace naru::kube
