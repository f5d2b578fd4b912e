#include "plan.hpp"

#include <optional>
#include <utility>
#include <variant>

namespace naru {

namespace {

/// One walk through changes in their order.
class Walk {
public:
    Walk(const Tables& installed, const std::function<Result<>(const Change&)>& apply)
        : installed_{installed}, apply_{apply}
    {
    }

    void operator()(const Change& change)
    {
        std::visit([&](const auto& kind) { step(change, kind); }, change);
    }

    std::vector<Failure> failed_puts;
    std::vector<Failure> failed_erases;
    std::vector<Change> open; ///< puts that did not happen
    bool made_room = false;

private:
    bool attempt(const Change& change, std::vector<Failure>& failures)
    {
        auto done = apply_(change);
        if (!done)
            failures.push_back({change, done.error()});
        return done.has_value();
    }

    void step(const Change& change, const PutService& put)
    {
        if (attempt(change, failed_puts))
            return;
        broken_.insert(put.id.key);
        open.push_back(change);
    }

    void step(const Change& change, const PutFrontend& put)
    {
        bool held_back =
            put.row.inside ? broken_.contains(put.row.inside->key) : unserved_.contains(put.key.address);
        if (!held_back && attempt(change, failed_puts))
            return;
        stuck_.insert(put.key);
        unserved_.insert(put.key.address);
        open.push_back(change);
    }

    void step(const Change& change, const EraseFrontend& erase)
    {
        if (attempt(change, failed_erases))
            made_room = true;
        else
            stuck_.insert(erase.key);
    }

    void step(const Change& change, const EraseService& erase)
    {
        if (!still_named().contains(erase.id) && attempt(change, failed_erases))
            made_room = true;
    }

    /// All frontend changes come before the first erase of a service, so once is enough.
    const std::set<ServiceId>& still_named()
    {
        if (named_)
            return *named_;
        named_.emplace();
        for (const auto& key : stuck_)
            if (auto row = installed_.frontends.find(key); row != installed_.frontends.end())
                for (const auto* side : {&row->second.inside, &row->second.outside})
                    if (*side)
                        named_->insert(**side);
        return *named_;
    }

    const Tables& installed_;
    const std::function<Result<>(const Change&)>& apply_;
    std::set<ObjectKey> broken_;
    std::set<FrontendKey> stuck_;
    std::set<Address> unserved_;
    std::optional<std::set<ServiceId>> named_;
};

} // namespace

std::vector<Failure> carry_out(const std::vector<Change>& changes, const Tables& installed,
                               const std::function<Result<>(const Change&)>& apply)
{
    Walk first{installed, apply};
    for (const auto& change : changes)
        first(change);

    auto failures = std::move(first.failed_erases);
    auto puts = std::move(first.failed_puts);
    if (first.made_room && !first.open.empty()) {
        Walk again{installed, apply};
        for (const auto& change : first.open)
            again(change);
        puts = std::move(again.failed_puts);
    }
    failures.insert(failures.end(), std::make_move_iterator(puts.begin()),
                    std::make_move_iterator(puts.end()));
    return failures;
}

} // namespace naru
