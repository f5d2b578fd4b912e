#include "own_endpoints.hpp"

#include <algorithm>
#include <utility>

namespace naru {

ForeignEndpoints::ForeignEndpoints(std::vector<const EndpointSlice*> slices, const Claims& claims)
    : all_{std::move(slices)}, slices_{all_}
{
    for (auto& slice : slices_) {
        const auto& original = *slice;
        const auto is_own = [&](const Endpoint& each) { return claims.is_own(each, original); };
        const auto first = std::ranges::find_if(original.endpoints, is_own);
        if (first == original.endpoints.end())
            continue;
        if (!refused_)
            example_ = first->address.text();
        auto& copy = copies_.emplace_back(original);
        refused_ += static_cast<unsigned>(std::erase_if(copy.endpoints, is_own));
        slice = &copy;
    }
}

std::optional<Notice> ForeignEndpoints::notice(const ObjectKey& service) const
{
    if (!refused_)
        return std::nullopt;
    auto more = refused_ > 1 ? " and " + std::to_string(refused_ - 1) + " more" : std::string{};
    return Notice{service, "EndpointRefused",
                  "endpoints that are addresses of Services are not used: " + example_ + more};
}

} // namespace naru
