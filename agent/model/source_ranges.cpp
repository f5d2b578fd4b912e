#include "source_ranges.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

namespace naru {

namespace {

std::string_view trimmed(std::string_view text)
{
    constexpr std::string_view white = " \t\r\n\v\f";
    auto begin = text.find_first_not_of(white);
    return begin == std::string_view::npos ? ""
                                           : text.substr(begin, text.find_last_not_of(white) - begin + 1);
}

} // namespace

SourceRanges::SourceRanges(const std::vector<std::string>& written)
{
    for (const auto& entry : written) {
        if (auto range = Cidr::parse(trimmed(entry)))
            valid_.push_back(*range);
        else
            invalid_.push_back(entry);
    }
    std::ranges::sort(valid_);
    auto twice = std::ranges::unique(valid_);
    valid_.erase(twice.begin(), twice.end());
}

Filter SourceRanges::filter(Family family, const Node& node) const
{
    Filter filter;
    std::ranges::copy_if(valid_, std::back_inserter(filter.admitted),
                         [&](const Cidr& range) { return range.address.family() == family; });
    filter.on = admits_nobody() || !filter.admitted.empty();
    filter.admits_node = std::ranges::any_of(
        node.addresses, [&](const Address& own) { return inside_any(filter.admitted, own); });
    return filter;
}

} // namespace naru
