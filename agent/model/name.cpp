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
    return static_cast<std::uint32_t>(state >> 32 ^ state);
}

} // namespace

/// All words in use: a hash table with linear probing.
class Words {
public:
    using Word = Name::Word;

    Word* take(std::string_view text)
    {
        const auto hash = hash_of(text);
        auto at = home(hash);
        for (; table_[at]; at = after(at))
            if (table_[at]->hash == hash &&
                std::string_view{table_[at]->text(), table_[at]->length} == text) {
                ++table_[at]->users;
                return table_[at];
            }
        auto* word = make(text, hash);
        table_[at] = word;
        if (++count_ > table_.size() / 4 * 3)
            grow();
        return word;
    }

    void drop(Word* word)
    {
        auto gap = home(word->hash);
        while (table_[gap] != word)
            gap = after(gap);
        ::operator delete(word);
        --count_;
        // Whatever follows without a gap and could stand nearer to its home moves up.
        for (auto at = after(gap); table_[at]; at = after(at))
            if (distance(home(table_[at]->hash), at) >= distance(gap, at)) {
                table_[gap] = table_[at];
                gap = at;
            }
        table_[gap] = nullptr;
    }

private:
    static Word* make(std::string_view text, std::uint32_t hash)
    {
        auto* word = new (::operator new(sizeof(Word) + text.size()))
            Word{.users = 1, .length = static_cast<std::uint32_t>(text.size()), .hash = hash};
        std::memcpy(word->text(), text.data(), text.size());
        return word;
    }

    void grow()
    {
        std::vector<Word*> old(table_.size() * 2);
        old.swap(table_);
        for (auto* word : old) {
            if (!word)
                continue;
            auto at = home(word->hash);
            while (table_[at])
                at = after(at);
            table_[at] = word;
        }
    }

    std::size_t home(std::uint32_t hash) const { return hash & (table_.size() - 1); }
    std::size_t after(std::size_t at) const { return (at + 1) & (table_.size() - 1); }
    std::size_t distance(std::size_t from, std::size_t to) const { return (to - from) & (table_.size() - 1); }

    std::vector<Word*> table_ = std::vector<Word*>(1024); ///< a power of two of them
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
