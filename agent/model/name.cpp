#include "name.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <new>
#include <random>
#include <vector>

namespace naru {

namespace {

std::uint64_t folded_product(std::uint64_t a, std::uint64_t b)
{
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Of this process only: who writes objects must not be able to choose words that share a place in the table.
std::uint32_t hash_of(std::string_view text)
{
    static const auto seeds = [] {
        std::random_device random;
        std::uniform_int_distribution<std::uint64_t> any;
        return std::array{any(random), any(random), any(random)};
    }();
    auto state = folded_product(seeds[0] ^ text.size(), seeds[1]);
    for (; !text.empty(); text.remove_prefix(std::min(text.size(), sizeof state))) {
        std::uint64_t part = 0;
        std::memcpy(&part, text.data(), std::min(text.size(), sizeof part));
        state = folded_product(part ^ seeds[1], state ^ seeds[2]);
    }
    return static_cast<std::uint32_t>(state >> 32 ^ state) | 1U; // none is 0
}

} // namespace

/// All words in use: a hash table with linear probing. It holds the hashes itself, so that a word is looked
/// at only when it is the one.
class Words {
public:
    using Word = Name::Word;

    Word* take(std::string_view text)
    {
        const auto hash = hash_of(text);
        auto at = home(hash);
        for (; hashes_[at] != 0; at = after(at)) {
            if (hashes_[at] != hash)
                continue;
            auto* word = words_[at];
            if (std::string_view{word->text(), word->length} == text) {
                ++word->users;
                return word;
            }
        }
        auto* word = make(text, hash);
        put(at, hash, word);
        if (++count_ > hashes_.size() / 4 * 3)
            grow();
        return word;
    }

    void drop(Word* word)
    {
        auto gap = home(word->hash);
        while (words_[gap] != word)
            gap = after(gap);
        ::operator delete(word);
        --count_;
        // Whatever follows without a gap and could stand nearer to its home moves up.
        for (auto at = after(gap); hashes_[at] != 0; at = after(at))
            if (distance(home(hashes_[at]), at) >= distance(gap, at)) {
                put(gap, hashes_[at], words_[at]);
                gap = at;
            }
        put(gap, 0, nullptr);
    }

private:
    static Word* make(std::string_view text, std::uint32_t hash)
    {
        auto* word = new (::operator new(sizeof(Word) + text.size()))
            Word{.users = 1, .length = static_cast<std::uint32_t>(text.size()), .hash = hash};
        std::memcpy(word->text(), text.data(), text.size());
        return word;
    }

    void put(std::size_t at, std::uint32_t hash, Word* word)
    {
        hashes_[at] = hash;
        words_[at] = word;
    }

    void grow()
    {
        std::vector<std::uint32_t> hashes(hashes_.size() * 2);
        std::vector<Word*> words(hashes.size());
        hashes.swap(hashes_);
        words.swap(words_);
        for (std::size_t i = 0; i < hashes.size(); ++i) {
            if (hashes[i] == 0)
                continue;
            auto at = home(hashes[i]);
            while (hashes_[at] != 0)
                at = after(at);
            put(at, hashes[i], words[i]);
        }
    }

    /// Not by the lowest bit, which is the same in all.
    std::size_t home(std::uint32_t hash) const { return hash >> 1 & (hashes_.size() - 1); }
    std::size_t after(std::size_t at) const { return (at + 1) & (hashes_.size() - 1); }
    std::size_t distance(std::size_t from, std::size_t to) const
    {
        return (to - from) & (hashes_.size() - 1);
    }

    static constexpr std::size_t at_first = 1024; ///< a power of two, and so are all later sizes
    std::vector<std::uint32_t> hashes_ = std::vector<std::uint32_t>(at_first); ///< 0: free
    std::vector<Word*> words_ = std::vector<Word*>(at_first); ///< at the places of their hashes
    std::size_t count_ = 0;
};

namespace {

/// Never taken down: a Name in a static object may go after any other static object.
Words& words()
{
    static auto* all = new Words;
    return *all;
}

} // namespace

Name::Word* Name::take(std::string_view text) { return text.empty() ? nullptr : words().take(text); }

void Name::drop(Word* word) { words().drop(word); }

} // namespace naru
