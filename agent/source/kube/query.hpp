// What a step of the reflector asks the API server for: path, query and the encodings welcome. Pure.
#pragma once

#include <chrono>
#include <string>

#include "object.hpp"
#include "reflector.hpp"

namespace naru::kube {

/// Whose objects are wanted. The agent applies the same rules itself: a selector is an optimisation, no
/// guard.
struct Interest {
    Resource resource = Resource::services;
    std::string
        own_name{}; ///< nodes: name of the own one; services: service-proxy-name, empty: default proxy
    bool field_selector = true; ///< for services: false for a server that has refused it
};

/// Path and query; `timeout` is how long the server is to keep a stream open.
std::string target(const Interest& interest, const Reflector::Step& step, std::chrono::seconds timeout);

/// Value of the Accept header.
std::string accept(Reflector::Mode mode, bool json_only);

} // namespace naru::kube
