// Endpoints that are frontends of naru itself: a packet sent there would come back to be balanced again.
#pragma once

#include <deque>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "claims.hpp"

namespace naru {

/// The slices of one Service without such endpoints. Those that have none are not copied.
class ForeignEndpoints {
public:
    ForeignEndpoints(std::vector<const EndpointSlice*> slices, const Claims& claims);

    std::span<const EndpointSlice* const> all() const { return all_; }
    std::span<const EndpointSlice* const> slices() const { return slices_; }
    std::optional<Notice> notice(const ObjectKey& service) const; ///< when there were any

private:
    std::vector<const EndpointSlice*> all_, slices_;
    std::deque<EndpointSlice> copies_;
    unsigned refused_ = 0;
    std::string example_;
};

} // namespace naru
