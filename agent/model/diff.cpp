#include "diff.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

namespace naru {

namespace {

/// Visits every key of both maps once, in order, with what each holds.
template <class Map, class Visit>
void compare(const Map& installed, const Map& desired, Visit visit)
{
    const typename Map::mapped_type* absent = nullptr;
    auto left = installed.begin();
    auto right = desired.begin();
    while (left != installed.end() || right != desired.end()) {
        if (right == desired.end() || (left != installed.end() && left->first < right->first)) {
            visit(left->first, &left->second, absent);
            ++left;
        } else if (left == installed.end() || right->first < left->first) {
            visit(right->first, absent, &right->second);
            ++right;
        } else {
            visit(left->first, &left->second, &right->second);
            ++left;
            ++right;
        }
    }
}

bool stops_checking_ranges(const FrontendRow& from, const FrontendRow& to)
{
    return from.ranges && !to.ranges && from.inside == to.inside && from.outside == to.outside;
}

} // namespace

void Changes::service(const ServiceId& id, const ServiceRow* installed, const ServiceRow* wanted)
{
    if (!wanted && installed)
        erase_services_.push_back(EraseService{id});
    else if (wanted && (!installed || *installed != *wanted))
        put_services_.push_back(PutService{id, *wanted});
}

void Changes::frontend(const FrontendKey& key, const FrontendRow* installed, const FrontendRow* wanted)
{
    if (!wanted && installed) {
        erase_frontends_.push_back(EraseFrontend{key});
        return;
    }
    if (!wanted || (installed && *installed == *wanted))
        return;
    auto& puts = installed && stops_checking_ranges(*installed, *wanted) ? unranged_
                 : key.protocol                                          ? put_frontends_
                                                                         : put_wildcards_;
    puts.push_back(PutFrontend{key, *wanted});
}

std::vector<Change> Changes::take()
{
    auto all = std::exchange(unranged_, {});
    const std::array parts{&put_services_, &put_frontends_, &put_wildcards_, &erase_frontends_,
                           &erase_services_};
    std::size_t size = all.size();
    for (const auto* part : parts)
        size += part->size();
    all.reserve(size);
    for (auto* part : parts) {
        std::ranges::move(*part, std::back_inserter(all));
        part->clear();
    }
    return all;
}

std::vector<Change> diff(const Tables& installed, const Tables& desired)
{
    Changes changes;
    compare(installed.services, desired.services,
            [&](const auto& id, const auto* from, const auto* to) { changes.service(id, from, to); });
    compare(installed.frontends, desired.frontends,
            [&](const auto& key, const auto* from, const auto* to) { changes.frontend(key, from, to); });
    return changes.take();
}

} // namespace naru
