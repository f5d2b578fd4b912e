// loadBalancerSourceRanges: from what is written to what each family admits (semantics.md 5.2). Pure.
#pragma once

#include <string>
#include <vector>

#include "node.hpp"

namespace naru {

/// What the frontends of one family check.
struct Filter {
    bool on = false;            ///< off: everybody is admitted
    bool admits_node = false;   ///< an address of this node is inside
    std::vector<Cidr> admitted; ///< sorted
};

class SourceRanges {
public:
    /// White space round an entry does not count. An entry that is no CIDR is left out and kept in invalid().
    explicit SourceRanges(const std::vector<std::string>& written);

    /// With entries of other families only, a family is open, as with kube-proxy. With no valid entry at all
    /// nobody is admitted: a typing error must not open what was meant to be closed.
    Filter filter(Family family, const Node& node) const;

    const std::vector<std::string>& invalid() const { return invalid_; }
    bool admits_nobody() const { return valid_.empty() && !invalid_.empty(); }
    bool empty() const { return valid_.empty() && invalid_.empty(); }

private:
    std::vector<Cidr> valid_;
    std::vector<std::string> invalid_;
};

} // namespace naru
