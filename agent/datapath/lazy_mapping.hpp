// A large BPF map in this process's memory, as far as it is used: the kernel counts every mapped page of a
// map as resident, touched or not.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "model/result.hpp"

namespace naru {

class LazyMapping {
public:
    /// `map` must be BPF_F_MMAPABLE, open for writing, and outlive this.
    static Result<LazyMapping> open(int map, std::size_t bytes, int protection, const char* name);

    LazyMapping(LazyMapping&& other) noexcept;
    LazyMapping& operator=(LazyMapping&& other) noexcept;
    ~LazyMapping();

    std::size_t size() const { return bytes_; }
    std::size_t resident() const; ///< bytes that are mapped

    /// These bytes, mapped now if they were not; as many as there are when they reach over the end. Addresses
    /// stay the same.
    Result<std::span<std::byte>> at(std::size_t offset, std::size_t length);

    static constexpr std::size_t piece = 256 << 10;

private:
    LazyMapping(int map, std::byte* reserved, std::size_t bytes, int protection, const char* name);

    int map_ = -1;
    std::byte* reserved_ = nullptr; ///< address space for all of it
    std::size_t bytes_ = 0;
    int protection_ = 0;
    const char* name_ = nullptr;
    std::vector<bool> mapped_; ///< by piece
};

} // namespace naru
