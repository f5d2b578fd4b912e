// What an answer that is not the one hoped for means (control-plane.md 2). Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "client.hpp"
#include "object.hpp"
#include "reflector.hpp"

namespace naru::kube {

struct Trouble {
    Reflector::Failure failure = Reflector::Failure::transport;
    std::string why; ///< one clause for a person, of foreign text
    std::optional<std::chrono::milliseconds> retry_after{};
};

/// An answer other than a 200 that could be understood; `status` is its body, empty when it had none.
Trouble judge(const Head& head, const Status& status);

/// An ERROR event in a stream.
Trouble judge(const Status& status);

} // namespace naru::kube
