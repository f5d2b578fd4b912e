// TCP between two pods of a node, routed by it: directly, and to a Service through the tc programs.
#include <net/if.h>

#include <fmt/format.h>

#include "client.hpp"
#include "datapath/datapath.hpp"
#include "groups.hpp"
#include "synthetic.hpp"
#include "wire.hpp"

namespace naru::bench {

namespace {

// Shares of 0.95 and 0.92 of the direct rate, as times.
constexpr double most_over_direct_stream = 1.053, most_over_direct_rr = 1.087;

struct Place {
    Wire plain;    ///< no programs on its devices
    Wire balanced; ///< with them
    Datapath datapath;
};

std::map<std::uint32_t, Device> workloads(const Wire& wire)
{
    std::map<std::uint32_t, Device> devices;
    for (const auto& name : wire.devices()) {
        Device device;
        device.link.index = ::if_nametoindex(name.c_str());
        device.link.name = name;
        device.role = DeviceRole::workload;
        devices.emplace(device.link.index, device);
    }
    return devices;
}

/// The agent's own way. The Service that is dialled is one of many.
Result<> fill(const Datapath& datapath, const Wire& wire, unsigned services)
{
    auto kernel = kernel_of(datapath);
    if (!kernel)
        return std::unexpected{kernel.error()};
    const Shape shape{.services = services, .backends = 1};
    for (auto family : {Family::v4, Family::v6})
        for (unsigned i = 0; i < services; ++i) {
            const auto to = i == 0 ? std::vector{wire.server(family)} : backends_of(family, shape, i);
            if (auto put = install(*kernel, Protocol::tcp, family, i, to); !put)
                return put;
        }
    return {};
}

Result<Place> make_place(const Context& context)
{
    if (auto entered = enter_empty_namespace({}); !entered)
        return std::unexpected{entered.error()};
    auto plain = Wire::make(0), balanced = Wire::make(1);
    if (!plain || !balanced)
        return std::unexpected{plain ? balanced.error() : plain.error()};
    if (auto gone = Datapath::cleanup(context.workspace.pins); !gone) // another group's tables
        return std::unexpected{gone.error()};
    DatapathOptions options;
    options.bpf_path = context.workspace.pins;
    options.socket_lb = SocketLb::off;
    auto datapath = Datapath::open(options);
    if (!datapath)
        return std::unexpected{datapath.error()};
    if (auto failed = datapath->set_devices(workloads(*balanced)); !failed.empty())
        return std::unexpected{failed.front()};
    if (auto filled = fill(*datapath, *balanced, context.effort.flow_services); !filled)
        return std::unexpected{filled.error()};
    return Place{std::move(*plain), std::move(*balanced), std::move(*datapath)};
}

Result<Row> compare(Place& place, const Context& context, Family family, Pattern pattern)
{
    const bool streams = pattern == Pattern::stream;
    const auto count = streams ? context.effort.stream_mib : context.effort.round_trips;
    const auto subject = [&](const char* name, Wire& wire, const SocketAddress& to) {
        return Subject{name, [&wire, order = Transfer{pattern, to, count}]() -> Result<double> {
                           auto took = wire.perform(order);
                           return took ? Result<double>{*took / 1000 / order.count} : took;
                       }};
    };
    const std::vector<Subject> subjects{
        subject("direct", place.plain, place.plain.server(family)),
        subject("past naru", place.balanced, place.balanced.server(family)),
        subject("naru", place.balanced, frontend(family, 0)),
    };
    auto measured = interleave(subjects, context.effort.rounds);
    if (!measured)
        return std::unexpected{measured.error()};
    auto row = make_row(
        "wire",
        fmt::format("{} IPv{}", streams ? "stream" : "request and response", static_cast<int>(family)),
        streams ? "us a MiB" : "us a round trip", subjects, std::move(*measured));
    row.subject = "naru";
    row.compared = {"direct"};
    row.targets = {{"naru", "direct", streams ? most_over_direct_stream : most_over_direct_rr}};
    return row;
}

} // namespace

Result<> measure_wire(Context& context)
{
    auto place = make_place(context);
    if (!place)
        return std::unexpected{place.error()};
    for (auto pattern : {Pattern::stream, Pattern::request_response})
        for (auto family : {Family::v4, Family::v6}) {
            auto row = compare(*place, context, family, pattern);
            if (!row)
                return std::unexpected{row.error()};
            context.report.rows.push_back(std::move(*row));
        }
    return {};
}

} // namespace naru::bench
