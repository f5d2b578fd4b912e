#include "weights.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace naru {

namespace {

constexpr std::string_view separators = ", \t\r\n";
constexpr std::size_t longest_quote = 64;

std::optional<std::uint16_t> read_weight(std::string_view text)
{
    std::uint16_t weight = 0;
    const auto* end = text.data() + text.size();
    auto [stop, failed] = std::from_chars(text.data(), end, weight);
    return failed == std::errc{} && stop == end ? std::optional{weight} : std::nullopt;
}

std::unexpected<std::string> refused(std::string_view text, const char* why)
{
    return std::unexpected{"\"" + std::string{text.substr(0, longest_quote)} + "\" " + why};
}

} // namespace

std::expected<Weights, std::string> Weights::parse(std::string_view text)
{
    if (text.size() > longest_weights)
        return refused(text, "begins what is longer than 64 KiB");
    Weights weights;
    std::optional<std::uint16_t> others;
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(separators), text.size()));
        if (text.empty())
            break;
        const auto pair = text.substr(0, text.find_first_of(separators));
        text.remove_prefix(pair.size());
        const auto middle = pair.find('=');
        const auto name = pair.substr(0, middle);
        const auto weight = middle == pair.npos ? std::nullopt : read_weight(pair.substr(middle + 1));
        if (!weight)
            return refused(pair, "is no address=weight with a weight from 0 to 65535");
        if (name == "*") {
            if (others)
                return refused(pair, "is there twice");
            others = weight;
            continue;
        }
        const auto address = Address::parse(name);
        if (!address)
            return refused(pair, "names neither an address nor *");
        weights.named_.emplace_back(*address, *weight);
    }
    std::ranges::sort(weights.named_);
    const auto twice =
        std::ranges::adjacent_find(weights.named_, {}, [](const auto& pair) { return pair.first; });
    if (twice != weights.named_.end())
        return refused(twice->first.text(), "is there twice");
    weights.others_ = others.value_or(1);
    return weights;
}

std::uint16_t Weights::of(const Address& address) const
{
    const auto at =
        std::ranges::lower_bound(named_, address, {}, [](const auto& pair) { return pair.first; });
    return at != named_.end() && at->first == address ? at->second : others_;
}

} // namespace naru
