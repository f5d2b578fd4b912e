// The endpoints of a set as every table that holds the set sees them: written once, shared by all copies.
#pragma once

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "select.hpp"

namespace naru {

/// An immutable list. A copy costs a pointer, and so does finding out that two copies are equal.
class Backends {
public:
    Backends() = default;
    Backends(std::span<const Backend> list) : size_{list.size()}
    {
        if (list.empty())
            return;
        auto copy = std::make_shared_for_overwrite<Backend[]>(list.size());
        std::ranges::copy(list, copy.get());
        first_ = std::move(copy);
    }
    Backends(const std::vector<Backend>& list) : Backends{std::span{list}} {}
    Backends(std::initializer_list<Backend> list) : Backends{std::span{list.begin(), list.size()}} {}

    const Backend* begin() const { return first_.get(); }
    const Backend* end() const { return begin() + size_; }
    std::size_t size() const { return size_; }
    bool empty() const { return size_ == 0; }
    const Backend& operator[](std::size_t i) const { return begin()[i]; }

    friend bool operator==(const Backends& a, const Backends& b)
    {
        return a.size_ == b.size_ && (a.first_ == b.first_ || std::ranges::equal(a, b));
    }

private:
    std::shared_ptr<const Backend[]> first_; ///< null when there are none
    std::size_t size_ = 0;
};

} // namespace naru
