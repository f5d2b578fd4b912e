// A BPF map in this process's memory.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <span>
#include <utility>

#include "model/result.hpp"

namespace naru {

class Mapping {
public:
    /// `map` must be BPF_F_MMAPABLE, and open for writing whatever `protection` is: PROT_READ, PROT_WRITE.
    static Result<Mapping> open(int map, std::size_t bytes, int protection, const char* name)
    {
        void* at = ::mmap(nullptr, bytes, protection, MAP_SHARED, map, 0);
        if (at == MAP_FAILED)
            return sys_error(std::string{"map "} + name + " into memory");
        return Mapping{at, bytes};
    }

    Mapping(Mapping&& other) noexcept : at_{std::exchange(other.at_, nullptr)}, bytes_{other.bytes_} {}
    Mapping& operator=(Mapping&& other) noexcept
    {
        std::swap(at_, other.at_);
        std::swap(bytes_, other.bytes_);
        return *this;
    }
    ~Mapping()
    {
        if (at_)
            ::munmap(at_, bytes_);
    }

    std::byte* data() const { return static_cast<std::byte*>(at_); }
    std::span<const std::byte> bytes() const { return {data(), bytes_}; }

private:
    Mapping(void* at, std::size_t bytes) : at_{at}, bytes_{bytes} {}

    void* at_ = nullptr;
    std::size_t bytes_ = 0;
};

} // namespace naru
