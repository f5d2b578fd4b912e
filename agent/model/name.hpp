// The words that objects repeat in each other: namespaces, names, uids, nodes, zones. Each is kept once,
// however many values hold it: copies and comparisons for equality cost a pointer. For the thread of the loop
// only.
#pragma once

#include <compare>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace naru {

class Name;

/// What a Name can be made from and compared with.
template <class T>
concept Text = std::convertible_to<const T&, std::string_view> && !std::same_as<std::remove_cvref_t<T>, Name>;

/// An immutable text, ordered as std::string is.
class Name {
public:
    Name() = default;
    template <Text T>
    Name(const T& text) : word_{take(text)}
    {
    }
    Name(const Name& other) noexcept : word_{other.word_}
    {
        if (word_)
            ++word_->users;
    }
    Name(Name&& other) noexcept : word_{std::exchange(other.word_, nullptr)} {}
    Name& operator=(Name other) noexcept
    {
        std::swap(word_, other.word_);
        return *this;
    }
    ~Name()
    {
        if (word_ && --word_->users == 0)
            drop(word_);
    }

    std::string_view view() const
    {
        return word_ ? std::string_view{word_->text(), word_->length} : std::string_view{};
    }
    operator std::string_view() const { return view(); }
    bool empty() const { return !word_; }
    std::size_t hash() const { return word_ ? word_->hash : 0; }

    friend bool operator==(const Name&, const Name&) = default;
    friend std::strong_ordering operator<=>(const Name& a, const Name& b)
    {
        return a.word_ == b.word_ ? std::strong_ordering::equal : a.view() <=> b.view();
    }
    template <Text T>
    friend bool operator==(const Name& name, const T& text)
    {
        return name.view() == std::string_view{text};
    }
    friend std::string operator+(std::string left, const Name& right) { return left += right.view(); }
    friend std::string operator+(const Name& left, std::string_view right)
    {
        return std::string{left.view()}.append(right);
    }

private:
    friend class Words;

    /// The text follows it in memory.
    struct Word {
        std::uint32_t users;
        std::uint32_t length;
        std::uint32_t hash;

        char* text() { return reinterpret_cast<char*>(this + 1); }
    };

    static Word* take(std::string_view text); ///< null when it is empty
    static void drop(Word* word);

    Word* word_ = nullptr; ///< the same for the same text
};

} // namespace naru
