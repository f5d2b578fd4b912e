// Service numbers: the lowest free one first, 0 never.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace naru {

class Numbers {
public:
    /// Numbers 1 to `count` - 1.
    explicit Numbers(std::uint32_t count) : taken_(count) {}

    std::optional<std::uint32_t> take()
    {
        while (lowest_ < taken_.size() && taken_[lowest_])
            ++lowest_;
        if (lowest_ >= taken_.size())
            return std::nullopt;
        taken_[lowest_] = true;
        return lowest_++;
    }

    void take_at(std::uint32_t number) { taken_[number] = true; }

    void give_back(std::uint32_t number)
    {
        taken_[number] = false;
        lowest_ = std::min(lowest_, number);
    }

private:
    std::vector<bool> taken_;
    std::uint32_t lowest_ = 1; ///< nothing below is free
};

} // namespace naru
