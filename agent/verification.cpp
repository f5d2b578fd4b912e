#include "verification.hpp"

#include <exception>
#include <string>
#include <utility>

#include <boost/asio/post.hpp>

namespace naru {

namespace {

/// No thread or no memory to be had is an Error like others.
Result<Programs> loaded(const std::function<Result<Programs>()>& load)
{
    try {
        return load();
    } catch (const std::exception& why) {
        return error(std::string{"load the programs: "} + why.what());
    }
}

} // namespace

Verification::Verification(boost::asio::io_context& io, std::function<Result<Programs>()> load)
    : thread_{[&io, load = std::move(load), use = use_] {
          auto programs = loaded(load);
          boost::asio::post(io,
                            [use, programs = std::move(programs)]() mutable { (*use)(std::move(programs)); });
      }}
{
}

void Verification::then(std::function<void(Result<Programs>)> use) { *use_ = std::move(use); }

Verification::~Verification() { thread_.join(); }

} // namespace naru
