#include "lazy_mapping.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <string>
#include <utility>

namespace naru {

LazyMapping::LazyMapping(int map, std::byte* reserved, std::size_t bytes, int protection, const char* name)
    : map_{map}, reserved_{reserved}, bytes_{bytes}, protection_{protection}, name_{name},
      mapped_((bytes + piece - 1) / piece)
{
}

Result<LazyMapping> LazyMapping::open(int map, std::size_t bytes, int protection, const char* name)
{
    void* reserved = ::mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reserved == MAP_FAILED)
        return sys_error(std::string{"reserve address space for "} + name);
    LazyMapping mapping{map, static_cast<std::byte*>(reserved), bytes, protection, name};
    if (auto first = mapping.at(0, 1); !first) // what is wrong with the map shows here
        return std::unexpected{first.error()};
    return mapping;
}

LazyMapping::LazyMapping(LazyMapping&& other) noexcept { *this = std::move(other); }

LazyMapping& LazyMapping::operator=(LazyMapping&& other) noexcept
{
    std::swap(map_, other.map_);
    std::swap(reserved_, other.reserved_);
    std::swap(bytes_, other.bytes_);
    std::swap(protection_, other.protection_);
    std::swap(name_, other.name_);
    std::swap(mapped_, other.mapped_);
    return *this;
}

LazyMapping::~LazyMapping()
{
    if (reserved_)
        ::munmap(reserved_, bytes_);
}

std::size_t LazyMapping::resident() const
{
    return static_cast<std::size_t>(std::ranges::count(mapped_, true)) * piece;
}

Result<std::span<std::byte>> LazyMapping::at(std::size_t offset, std::size_t length)
{
    if (offset > bytes_)
        return error(std::string{"offset behind the end of "} + name_);
    length = std::min(length, bytes_ - offset);
    for (std::size_t i = offset / piece; i * piece < offset + length; ++i) {
        if (mapped_[i])
            continue;
        const auto begin = i * piece;
        const auto size = std::min(piece, bytes_ - begin);
        if (::mmap(reserved_ + begin, size, protection_, MAP_SHARED | MAP_FIXED, map_,
                   static_cast<off_t>(begin)) == MAP_FAILED)
            return sys_error(std::string{"map "} + name_ + " into memory");
        mapped_[i] = true;
    }
    return std::span{reserved_ + offset, length};
}

} // namespace naru
