// YAML text as flat values with line numbers. yaml-cpp reads it event by event: no tree, no recursion, limits
// on size and depth, no aliases, so that a hostile file costs a complaint and nothing else.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace naru::yaml {

inline constexpr std::size_t max_bytes = 8u << 20;
inline constexpr int max_depth = 64;

enum class Kind : std::uint8_t { null, scalar, sequence, map };

/// What is wrong, and the 1-based line it is wrong in.
struct Problem {
    int line = 0;
    std::string what;
};

class Value;

/// Everything one file holds: its documents, in order.
class Documents {
public:
    static std::expected<Documents, Problem> parse(const std::string& text);

    std::vector<Value> roots() const;

private:
    friend class Value;
    friend class Builder;

    /// Values lie in document order, a collection before its members; a map's keys and values alternate.
    struct Item {
        std::uint32_t end = 0; ///< the item behind the last descendant
        std::uint32_t text = 0, length = 0;
        int line = 0;
        Kind kind = Kind::null;
        bool plain = false; ///< a scalar without quotes, which may be a number or a truth value
    };

    std::vector<Item> items_;
    std::vector<std::uint32_t> roots_;
    std::string text_; ///< all scalars, end to end
};

/// A place in Documents, which must outlive it. A missing field is a null that stands on its parent's line.
class Value {
public:
    Kind kind() const { return missing_ ? Kind::null : item().kind; }
    int line() const { return item().line; }
    bool plain() const { return item().plain; }
    std::string_view scalar() const; ///< empty unless a scalar

    /// The member of a map; null when there is none, or when this is no map.
    Value find(std::string_view key) const;
    /// Elements of a sequence; empty unless a sequence.
    std::vector<Value> elements() const;

private:
    friend class Documents;

    Value(const Documents& documents, std::uint32_t index, bool missing)
        : documents_{&documents}, index_{index}, missing_{missing}
    {
    }
    const Documents::Item& item() const { return documents_->items_[index_]; }

    const Documents* documents_;
    std::uint32_t index_;
    bool missing_;
};

} // namespace naru::yaml
