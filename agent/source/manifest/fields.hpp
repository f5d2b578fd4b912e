// Typed fields of Kubernetes objects. The first thing that is wrong is kept with its line; a reader of a
// whole object asks for every field in turn and looks once, at the end, whether all was well.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/address.hpp"
#include "model/service.hpp"
#include "source/yaml/yaml.hpp"

namespace naru {

/// Text of unknown origin for a message: everything but printable ASCII escaped, cut when long.
std::string printable(std::string_view text, std::size_t most = 64);
std::string in_quotes(std::string_view text); ///< the same in quotes

class Fields {
public:
    const std::optional<yaml::Problem>& problem() const { return problem_; }
    void fail(const yaml::Value& at, std::string what); ///< only the first call counts

    // Each reads `key` of the map `parent`. Absent and null are the same: an absent value, and no failure.
    yaml::Value map(const yaml::Value& parent, std::string_view key);
    std::vector<yaml::Value> list(const yaml::Value& parent, std::string_view key);
    std::vector<yaml::Value> maps(const yaml::Value& parent, std::string_view key); ///< a list of maps
    std::optional<std::string> text(const yaml::Value& parent, std::string_view key);
    std::optional<bool> boolean(const yaml::Value& parent, std::string_view key);
    std::optional<std::int64_t> integer(const yaml::Value& parent, std::string_view key, std::int64_t least,
                                        std::int64_t most);
    std::optional<Port> port(const yaml::Value& parent, std::string_view key, std::uint16_t least = 1);
    std::vector<std::string> texts(const yaml::Value& parent, std::string_view key);

    /// One of some words; an empty text is absent too, as the API server has it.
    template <class T>
    std::optional<T> choice(const yaml::Value& parent, std::string_view key,
                            std::initializer_list<std::pair<std::string_view, T>> choices)
    {
        auto word = text(parent, key);
        if (!word || word->empty())
            return std::nullopt;
        std::string known;
        for (const auto& [name, value] : choices) {
            if (*word == name)
                return value;
            known.append(known.empty() ? "" : ", ").append(name);
        }
        fail(parent.find(key), std::string{key} + ": " + in_quotes(*word) + " is none of " + known);
        return std::nullopt;
    }
    Protocol protocol(const yaml::Value& parent);

    /// The text of `at` as an address; `name` is what a message calls the place.
    std::optional<Address> address(const yaml::Value& at, std::string_view name);

    /// A name as Kubernetes allows it: lower-case letters, digits, '-' and '.', at most 253.
    std::string name(const yaml::Value& parent, std::string_view key);
    /// metadata.namespace ("default" when absent) and metadata.name.
    ObjectKey object_key(const yaml::Value& object);

private:
    std::optional<std::string> as_text(const yaml::Value& at, std::string_view name);

    std::optional<yaml::Problem> problem_;
};

} // namespace naru
