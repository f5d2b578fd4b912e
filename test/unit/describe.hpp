// Changes as words, and a kernel as a value.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "model/diff.hpp"
#include "model/result.hpp"

namespace naru::test {

/// "+web" puts a service of shop/web, "-10.96.0.1:80/TCP" erases a frontend.
inline std::string describe(const Change& change)
{
    struct {
        std::string operator()(const PutService& c) const { return "+" + c.id.key.name; }
        std::string operator()(const EraseService& c) const { return "-" + c.id.key.name; }
        std::string operator()(const PutFrontend& c) const { return '+' + c.key.text(); }
        std::string operator()(const EraseFrontend& c) const { return '-' + c.key.text(); }
    } words;
    return std::visit(words, change);
}

inline std::string describe(const std::vector<Change>& changes)
{
    std::string out;
    for (const auto& change : changes)
        out += (out.empty() ? "" : " ") + describe(change);
    return out;
}

/// Tables that refuse what would leave a reference dangling, and what a test wants to fail.
struct FakeKernel {
    Tables installed;
    std::function<bool(const Change&)> fails = [](const Change&) { return false; };

    Result<> apply(const Change& change)
    {
        if (fails(change))
            return error("no room");
        return std::visit([this](const auto& c) { return step(c); }, change);
    }

private:
    Result<> step(const PutService& c)
    {
        installed.services.insert_or_assign(c.id, c.row);
        return {};
    }

    Result<> step(const PutFrontend& c)
    {
        for (const auto* side : {&c.row.inside, &c.row.outside})
            if (*side && !installed.services.contains(**side))
                return error(c.key.text() + " names a service that is not there");
        installed.frontends.insert_or_assign(c.key, c.row);
        return {};
    }

    Result<> step(const EraseFrontend& c)
    {
        installed.frontends.erase(c.key);
        return {};
    }

    Result<> step(const EraseService& c)
    {
        for (const auto& [key, row] : installed.frontends)
            if (row.inside == c.id || row.outside == c.id)
                return error(key.text() + " would dangle");
        installed.services.erase(c.id);
        return {};
    }
};

} // namespace naru::test
