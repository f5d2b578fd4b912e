// Two hosts, each a network namespace with a process in it, and the caller's namespace that routes between
// them: one answers TCP, the other one says how long it took.
#pragma once

#include <array>
#include <string>

#include "model/address.hpp"
#include "worker.hpp"

namespace naru::bench {

enum class Pattern : std::uint8_t {
    stream,           ///< `count` MiB in one direction, until the last byte has been read
    request_response, ///< `count` times one byte there and one back
};

struct Transfer {
    Pattern pattern = Pattern::stream;
    SocketAddress to;
    std::uint32_t count = 0;
};

class Wire {
public:
    /// The caller must be alone in its network namespace. `number` (below 100) keeps several apart.
    static Result<Wire> make(unsigned number);

    /// Where the server listens.
    SocketAddress server(Family family) const;

    /// In the caller's namespace: the one towards the client, the one towards the server.
    std::array<std::string, 2> devices() const;

    /// ns by the clock on the wall.
    Result<double> perform(const Transfer& transfer) { return client_.perform(transfer); }

private:
    Wire(unsigned number, Child server, Worker<Transfer, double> client)
        : number_{number}, server_{std::move(server)}, client_{std::move(client)}
    {
    }

    unsigned number_;
    Child server_;
    Worker<Transfer, double> client_;
};

} // namespace naru::bench
