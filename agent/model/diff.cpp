#include "diff.hpp"

namespace naru {

namespace {

bool stops_checking_ranges(const FrontendRow& from, const FrontendRow& to)
{
    return from.ranges && !to.ranges && from.inside == to.inside && from.outside == to.outside;
}

} // namespace

void Changes::service(const ServiceId& id, const ServiceRow* installed, const ServiceRow* wanted)
{
    if (!wanted && installed)
        erase_services_.push_back(&id);
    else if (wanted && (!installed || *installed != *wanted))
        put_services_.emplace_back(&id, wanted);
}

void Changes::frontend(const FrontendKey& key, const FrontendRow* installed, const FrontendRow* wanted)
{
    if (!wanted && installed) {
        erase_frontends_.push_back(&key);
        return;
    }
    if (!wanted || (installed && *installed == *wanted))
        return;
    auto& puts = installed && stops_checking_ranges(*installed, *wanted) ? unranged_
                 : key.protocol                                          ? put_frontends_
                                                                         : put_wildcards_;
    puts.emplace_back(&key, wanted);
}

std::vector<Change> Changes::take()
{
    std::vector<Change> all;
    all.reserve(unranged_.size() + put_services_.size() + put_frontends_.size() + put_wildcards_.size() +
                erase_frontends_.size() + erase_services_.size());
    auto show = [&](const auto& puts) {
        for (const auto& [key, row] : puts)
            all.push_back(PutFrontend{*key, *row});
    };
    show(unranged_);
    for (const auto& [id, row] : put_services_)
        all.push_back(PutService{*id, *row});
    show(put_frontends_);
    show(put_wildcards_);
    for (const auto* key : erase_frontends_)
        all.push_back(EraseFrontend{*key});
    for (const auto* id : erase_services_)
        all.push_back(EraseService{*id});
    *this = {};
    return all;
}

std::vector<Change> diff(const Tables& installed, const Tables& desired)
{
    std::set<ServiceId> services;
    std::set<FrontendKey> frontends;
    for (const auto* tables : {&installed, &desired}) {
        for (const auto& [id, _] : tables->services)
            services.insert(id);
        for (const auto& [key, _] : tables->frontends)
            frontends.insert(key);
    }
    Changes changes;
    for (const auto& id : services)
        changes.service(id, find_row(installed.services, id), find_row(desired.services, id));
    for (const auto& key : frontends)
        changes.frontend(key, find_row(installed.frontends, key), find_row(desired.frontends, key));
    return changes.take();
}

} // namespace naru
