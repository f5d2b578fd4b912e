#include "yaml.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <optional>
#include <sstream>

namespace naru::yaml {

namespace {

/// yaml-cpp queues every token of a flow collection before it reports the first, a few hundred bytes each. No
/// honest text ever has this many brackets open, counted blindly, quotes and comments included.
constexpr int max_open_brackets = 1000;

/// What yaml-cpp must never see: control characters, one of which (0x04) is its own end-of-file mark, and
/// runs of brackets.
std::optional<Problem> refuse_raw(const std::string& text)
{
    if (text.size() > max_bytes)
        return Problem{0, fmt::format("larger than {} MiB: split it", max_bytes >> 20)};

    int line = 1, open = 0;
    for (char c : text) {
        if (c == '\n')
            ++line;
        else if ((static_cast<unsigned char>(c) < 0x20 && c != '\t' && c != '\r') || c == 0x7f)
            return Problem{line, fmt::format("control character 0x{:02x}", c)};
        else if (c == '[' || c == '{')
            ++open;
        else if ((c == ']' || c == '}') && open > 0)
            --open;
        if (open > max_open_brackets)
            return Problem{line, fmt::format("more than {} brackets open", max_open_brackets)};
    }
    return std::nullopt;
}

} // namespace

/// Fills Documents from yaml-cpp's events; stops it with an exception of its own kind.
class Builder : public YAML::EventHandler {
public:
    explicit Builder(Documents& documents) : documents_{documents} {}

    void OnDocumentStart(const YAML::Mark& mark) override
    {
        // After some malformed texts yaml-cpp reports empty documents for ever without moving on.
        if (mark.pos <= last_start_)
            refuse(mark.line, "text after the end of the document");
        last_start_ = mark.pos;
        documents_.roots_.push_back(static_cast<std::uint32_t>(documents_.items_.size()));
    }
    void OnDocumentEnd() override {}

    void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { leaf(mark, Kind::null, true, {}); }
    void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override
    {
        refuse(mark.line, "aliases are not read: write the value out");
    }
    void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t,
                  const std::string& value) override
    {
        leaf(mark, Kind::scalar, tag != "!" && tag != "tag:yaml.org,2002:str", value);
    }

    void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                         YAML::EmitterStyle::value) override
    {
        open(mark, Kind::sequence);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t,
                    YAML::EmitterStyle::value) override
    {
        open(mark, Kind::map);
    }
    void OnMapEnd() override
    {
        check_keys(open_.back());
        close();
    }

private:
    /// `line` counts from 0, as yaml-cpp does.
    [[noreturn]] static void refuse(int line, const std::string& why)
    {
        YAML::Mark mark;
        mark.line = line;
        throw YAML::ParserException{mark, why};
    }

    void leaf(const YAML::Mark& mark, Kind kind, bool plain, const std::string& value)
    {
        auto& text = documents_.text_;
        auto next = static_cast<std::uint32_t>(documents_.items_.size() + 1);
        documents_.items_.push_back({.end = next,
                                     .text = static_cast<std::uint32_t>(text.size()),
                                     .length = static_cast<std::uint32_t>(value.size()),
                                     .line = mark.line + 1,
                                     .kind = kind,
                                     .plain = plain});
        text += value;
    }

    void open(const YAML::Mark& mark, Kind kind)
    {
        if (open_.size() == max_depth)
            refuse(mark.line, fmt::format("nested more than {} levels deep", max_depth));
        open_.push_back(static_cast<std::uint32_t>(documents_.items_.size()));
        leaf(mark, kind, true, {});
    }

    void close()
    {
        documents_.items_[open_.back()].end = static_cast<std::uint32_t>(documents_.items_.size());
        open_.pop_back();
    }

    /// Of two equal keys one would silently win.
    void check_keys(std::uint32_t map)
    {
        const auto& items = documents_.items_;
        keys_.clear();
        for (auto key = map + 1; key < items.size(); key = items[items[key].end].end) {
            if (items[key].kind != Kind::scalar)
                refuse(items[key].line - 1, "a key must be text");
            keys_.emplace_back(std::string_view{documents_.text_}.substr(items[key].text, items[key].length),
                               items[key].line);
        }
        std::ranges::sort(keys_);
        auto twice = std::ranges::adjacent_find(keys_, {}, &std::pair<std::string_view, int>::first);
        if (twice != keys_.end())
            refuse(twice[1].second - 1, "a key appears twice in one map");
    }

    Documents& documents_;
    std::vector<std::uint32_t> open_;
    std::vector<std::pair<std::string_view, int>> keys_;
    int last_start_ = -1;
};

std::expected<Documents, Problem> Documents::parse(const std::string& text)
{
    if (auto problem = refuse_raw(text))
        return std::unexpected{std::move(*problem)};

    Documents documents;
    Builder builder{documents};
    try {
        std::istringstream in{text};
        YAML::Parser parser{in};
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const YAML::Exception& broken) {
        return std::unexpected{Problem{broken.mark.line + 1, broken.msg}};
    }
    return documents;
}

std::vector<Value> Documents::roots() const
{
    std::vector<Value> out;
    for (auto root : roots_)
        out.push_back(Value{*this, root, false});
    return out;
}

std::string_view Value::scalar() const
{
    return kind() == Kind::scalar ? std::string_view{documents_->text_}.substr(item().text, item().length)
                                  : std::string_view{};
}

Value Value::find(std::string_view key) const
{
    if (kind() == Kind::map) {
        const auto& items = documents_->items_;
        for (auto at = index_ + 1; at < item().end; at = items[items[at].end].end)
            if (std::string_view{documents_->text_}.substr(items[at].text, items[at].length) == key)
                return Value{*documents_, items[at].end, false};
    }
    return Value{*documents_, index_, true};
}

std::vector<Value> Value::elements() const
{
    std::vector<Value> out;
    if (kind() == Kind::sequence)
        for (auto at = index_ + 1; at < item().end; at = documents_->items_[at].end)
            out.push_back(Value{*documents_, at, false});
    return out;
}

} // namespace naru::yaml
