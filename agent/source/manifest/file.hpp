// One file of the folder from look to look.
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <optional>
#include <set>
#include <string>

#include "model/result.hpp"

namespace naru {

class File {
public:
    /// The content, or nothing when it is what it was. Follows links; never waits, whatever stands under the
    /// name.
    Result<std::optional<std::string>> read(const std::filesystem::path& path);

    bool touched = true;           ///< it may have changed without looking different
    bool missing = false;          ///< it was not there at the last look
    bool dangling = false;         ///< the name was there, a link to nothing
    std::string trouble;           ///< why it could not be read, as last told
    std::set<std::string> skipped; ///< what was told of parts that are not for naru

private:
    struct Look {
        dev_t device = 0;
        ino_t inode = 0;
        off_t size = 0;
        timespec modified{}, changed{};

        bool operator==(const Look& other) const;
    };

    std::optional<Look> seen_;
    std::optional<std::size_t> content_; ///< hash
};

} // namespace naru
