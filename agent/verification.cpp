#include "verification.hpp"

#include <utility>

#include <boost/asio/post.hpp>

namespace naru {

Verification::Verification(boost::asio::io_context& io, std::function<Result<Programs>()> load)
    : thread_{[&io, load = std::move(load), use = use_] {
          boost::asio::post(io, [use, programs = load()]() mutable { (*use)(std::move(programs)); });
      }}
{
}

void Verification::then(std::function<void(Result<Programs>)> use) { *use_ = std::move(use); }

Verification::~Verification() { thread_.join(); }

} // namespace naru
