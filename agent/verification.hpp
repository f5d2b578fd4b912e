// The kernel's verifier at work beside the loop.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/io_context.hpp>

#include "datapath/programs.hpp"
#include "model/result.hpp"

namespace naru {

class Verification {
public:
    /// Calls `load` in a thread of its own, at once.
    Verification(boost::asio::io_context& io, std::function<Result<Programs>()> load);

    /// Who gets what came of it, from the loop of `io`. To be said before that runs.
    void then(std::function<void(Result<Programs>)> use);

    ~Verification(); ///< waits for `load`
    Verification(const Verification&) = delete;
    Verification& operator=(const Verification&) = delete;

private:
    using Use = std::function<void(Result<Programs>)>;

    std::shared_ptr<Use> use_ = std::make_shared<Use>(); ///< the loop's alone
    std::thread thread_;
};

} // namespace naru
