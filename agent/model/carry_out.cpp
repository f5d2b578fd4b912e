#include "plan.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>
#include <variant>

namespace naru {

namespace {

/// Changes tried in one go: enough to share the costs of a call, few enough to be looked at again when one
/// fails.
constexpr std::size_t most_at_once = 256;

/// One walk through changes in their order.
class Walk {
public:
    Walk(const Tables& installed, const Apply& apply) : installed_{installed}, apply_{apply} {}

    void run(std::span<const Change> changes)
    {
        while (!changes.empty()) {
            const auto count = tried_together(changes);
            if (count == 0) {
                hold_back(changes.front());
                changes = changes.subspan(1);
                continue;
            }
            auto progress = apply_(changes.first(count));
            made_room = made_room || (progress.done > 0 && is_erase(changes.front()));
            changes = changes.subspan(progress.done);
            if (!progress.error)
                continue;
            fail(changes.front(), std::move(*progress.error));
            changes = changes.subspan(1);
        }
    }

    std::vector<Failure> failed_puts;
    std::vector<Failure> failed_erases;
    std::vector<Change> open; ///< puts that did not happen
    bool made_room = false;

private:
    static bool is_erase(const Change& change)
    {
        return std::holds_alternative<EraseFrontend>(change) || std::holds_alternative<EraseService>(change);
    }

    static bool is_wildcard(const Change& change)
    {
        const auto* put = std::get_if<PutFrontend>(&change);
        return put && !put->key.protocol;
    }

    /// How many may be tried as things stand. They are of one kind, because a failure of one kind decides
    /// over the next; wildcard rows count as a kind of their own.
    std::size_t tried_together(std::span<const Change> changes)
    {
        const auto most = std::min(changes.size(), most_at_once);
        std::size_t count = 0;
        while (count < most && changes[count].index() == changes.front().index() &&
               is_wildcard(changes[count]) == is_wildcard(changes.front()) &&
               std::visit([this](const auto& kind) { return may(kind); }, changes[count]))
            ++count;
        return count;
    }

    bool may(const PutService&) const { return true; }
    bool may(const PutFrontend& put) const
    {
        return put.key.protocol ? !broken_.contains(put.row.inside->key) : serves(put.key.address);
    }
    /// A wildcard row refuses every other port: not without one that is served.
    bool serves(const Address& address) const
    {
        const auto row = installed_.frontends.upper_bound({address, {}, {}});
        return row != installed_.frontends.end() && row->first.address == address;
    }
    bool may(const EraseFrontend&) const { return true; }
    bool may(const EraseService& erase) { return !still_named().contains(erase.id); }

    void hold_back(const Change& change)
    {
        if (const auto* put = std::get_if<PutFrontend>(&change)) {
            stuck_.insert(put->key);
            open.push_back(change);
        }
    }

    void fail(const Change& change, Error error)
    {
        if (const auto* put = std::get_if<PutService>(&change)) {
            broken_.insert(put->id.key);
            open.push_back(change);
        } else if (const auto* erase = std::get_if<EraseFrontend>(&change)) {
            stuck_.insert(erase->key);
        }
        hold_back(change);
        (is_erase(change) ? failed_erases : failed_puts).push_back({change, std::move(error)});
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
    const Apply& apply_;
    std::set<ObjectKey> broken_;
    std::set<FrontendKey> stuck_;
    std::optional<std::set<ServiceId>> named_;
};

} // namespace

Apply one_by_one(std::function<Result<>(const Change&)> apply)
{
    return [apply = std::move(apply)](std::span<const Change> changes) {
        Progress progress;
        for (const auto& change : changes) {
            if (auto done = apply(change); !done) {
                progress.error = std::move(done.error());
                break;
            }
            ++progress.done;
        }
        return progress;
    };
}

std::vector<Failure> carry_out(const std::vector<Change>& changes, const Tables& installed,
                               const Apply& apply)
{
    Walk first{installed, apply};
    first.run(changes);

    auto failures = std::move(first.failed_erases);
    auto puts = std::move(first.failed_puts);
    if (first.made_room && !first.open.empty()) {
        Walk again{installed, apply};
        again.run(first.open);
        puts = std::move(again.failed_puts);
    }
    failures.insert(failures.end(), std::make_move_iterator(puts.begin()),
                    std::make_move_iterator(puts.end()));
    return failures;
}

} // namespace naru
