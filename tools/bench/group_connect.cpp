// connect() as an application sees it: directly, through naru's socket programs, past them, and through
// nftables.
#include <sys/wait.h>

#include <memory>
#include <thread>

#include <fmt/format.h>

#include "client.hpp"
#include "datapath/datapath.hpp"
#include "groups.hpp"
#include "nft.hpp"
#include "synthetic.hpp"

namespace naru::bench {

namespace fs = std::filesystem;

namespace {

constexpr double most_over_direct = 1.25;
constexpr unsigned backends = 10;
constexpr Port server_port{8080};

/// On the loopback device, where one listener answers for all of them.
std::vector<SocketAddress> servers(Family family)
{
    std::vector<SocketAddress> all;
    for (unsigned i = 0; i < backends; ++i)
        all.push_back({family == Family::v4 ? address(family, 0x7f000002, i) : backend(family, i).address,
                       server_port});
    return all;
}

std::vector<Address> server_addresses_v6()
{
    std::vector<Address> all;
    for (const auto& at : servers(Family::v6))
        all.push_back(at.address);
    return all;
}

/// NAT finds no route to an address of nobody's: the peer's frontend lies in 127/8.
SocketAddress nft_frontend() { return {address(Family::v4, 0x7f600000, 1), Port{80}}; }

Order order(Protocol protocol, const std::vector<SocketAddress>& to, std::uint32_t count)
{
    Order made{
        .protocol = protocol, .targets = static_cast<std::uint8_t>(to.size()), .count = count, .to = {}};
    std::ranges::copy(to, made.to.begin());
    return made;
}

/// Where clients connect from, and what they dial.
class Place {
public:
    static Result<std::unique_ptr<Place>> make(const Context& context)
    {
        auto place = std::unique_ptr<Place>{new Place};
        auto plain = context.workspace.cgroup / "plain", balanced = context.workspace.cgroup / "naru";
        std::error_code failed;
        for (const auto& folder : {plain, balanced})
            if (fs::create_directories(folder, failed); failed)
                return std::unexpected{Error{failed, "make the cgroup " + folder.string()}};
        if (auto entered = enter_empty_namespace(server_addresses_v6()); !entered)
            return std::unexpected{entered.error()};
        auto listeners = listen_everywhere(server_port);
        if (!listeners)
            return std::unexpected{listeners.error()};
        // Processes first, threads later: a fork takes only one thread along.
        auto direct = Client::start(plain, *listeners), through = Client::start(balanced, *listeners);
        if (!direct || !through)
            return std::unexpected{direct ? through.error() : direct.error()};
        place->direct_ = std::make_unique<Client>(std::move(*direct));
        place->through_ = std::make_unique<Client>(std::move(*through));
        auto nft = Client::start(plain, {}, [&] { return enter_nft(context.effort.flow_services); });
        if (nft)
            place->nft_ = std::make_unique<Client>(std::move(*nft));
        else
            place->without_nft_ = nft.error().message();
        if (auto ready = place->balance(context, balanced); !ready)
            return std::unexpected{ready.error()};
        return place;
    }

    Client& direct() { return *direct_; }
    Client& through() { return *through_; }
    Client* nft() { return nft_.get(); }
    const std::string& without_nft() const { return without_nft_; }

private:
    Place() = default;

    static Result<std::vector<UniqueFd>> enter_nft(unsigned services)
    {
        if (auto entered = enter_empty_namespace({}); !entered)
            return std::unexpected{entered.error()};
        if (auto loaded = load_nft(nft_rules(nft_frontend(), servers(Family::v4), services - 1)); !loaded)
            return std::unexpected{loaded.error()};
        return listen_everywhere(server_port);
    }

    /// The agent's own way: programs loaded, pinned and attached, tables filled. The dialled Service is one
    /// of many.
    Result<> balance(const Context& context, const fs::path& cgroup)
    {
        auto datapath = Datapath::open({.bpf_path = context.workspace.pins, .cgroup_path = cgroup});
        if (!datapath)
            return std::unexpected{datapath.error()};
        if (auto attached = datapath->attach_sockets(); !attached)
            return attached;
        auto kernel = kernel_of(*datapath);
        if (!kernel)
            return std::unexpected{kernel.error()};
        Shape shape{.services = context.effort.flow_services, .backends = backends};
        for (auto protocol : {Protocol::tcp, Protocol::udp})
            for (auto family : {Family::v4, Family::v6})
                for (unsigned i = 0; i < shape.services; ++i) {
                    auto to = i == 0 ? servers(family) : backends_of(family, shape, i);
                    if (auto put = install(*kernel, protocol, family, i, to); !put)
                        return put;
                }
        return {};
    }

    std::unique_ptr<Client> direct_, through_, nft_;
    std::string without_nft_;
};

/// All figures of all attempts, so that those of the attempt that counts can be picked.
struct Recorder {
    Client& client;
    Order what;
    std::vector<Timing> timings;

    Result<double> round()
    {
        auto timing = client.perform(what);
        if (!timing)
            return std::unexpected{timing.error()};
        timings.push_back(*timing);
        return timing->p50;
    }
};

struct Figure {
    const char* name;
    double Timing::* member;
    bool target;
};

class Comparison {
public:
    Comparison(Place& place, Protocol protocol, Family family, std::uint32_t count)
        : protocol_{protocol}, family_{family}
    {
        auto direct = order(protocol, servers(family), count);
        auto dialled = order(protocol, {frontend(family, 0)}, count);
        add("direct", place.direct(), direct);
        add("past naru", place.through(), direct);
        if (place.nft() && protocol == Protocol::tcp && family == Family::v4) {
            add("conntrack", *place.nft(), direct);
            add("nft", *place.nft(), order(protocol, {nft_frontend()}, count));
        }
        add("naru", place.through(), dialled);
    }

    Result<std::vector<Row>> measure(const Rounds& rounds)
    {
        std::vector<Subject> subjects;
        for (std::size_t i = 0; i < recorders_.size(); ++i)
            subjects.push_back({names_[i], [this, i] { return recorders_[i].round(); }});
        auto measured = interleave(subjects, rounds);
        if (!measured)
            return std::unexpected{measured.error()};

        std::vector<Figure> figures{{"connect() p50", &Timing::p50, protocol_ == Protocol::tcp},
                                    {"connect() p99", &Timing::p99, false}};
        if (protocol_ == Protocol::tcp)
            figures.push_back({"socket to close p50", &Timing::cycle, false});
        std::vector<Row> rows;
        for (const auto& figure : figures)
            rows.push_back(row(figure, subjects, *measured, rounds.count));
        return rows;
    }

private:
    void add(const char* name, Client& client, const Order& what)
    {
        names_.emplace_back(name);
        recorders_.push_back({client, what, {}});
    }

    Row row(const Figure& figure, const std::vector<Subject>& subjects, const Measured& measured,
            unsigned rounds) const
    {
        bool tcp = protocol_ == Protocol::tcp;
        Measured chosen{
            .rounds = {}, .floor_spread = measured.floor_spread, .attempts = measured.attempts, .best = {}};
        for (const auto& recorder : recorders_) {
            auto& series = chosen.rounds.emplace_back();
            for (unsigned i = 0; i < rounds; ++i)
                series.push_back(recorder.timings[measured.best * rounds + i].*figure.member /
                                 (tcp ? 1000 : 1));
        }
        auto made = make_row(
            "connect", fmt::format("{} IPv{}, {}", text(protocol_), static_cast<int>(family_), figure.name),
            tcp ? "us a call" : "ns a call", subjects, std::move(chosen));
        made.subject = "naru";
        made.compared = {"direct"};
        if (made.find("nft"))
            made.compared.emplace_back("nft");
        if (figure.target)
            made.targets = {{"naru", "direct", most_over_direct}};
        return made;
    }

    Protocol protocol_;
    Family family_;
    std::vector<std::string> names_;
    std::vector<Recorder> recorders_;
};

} // namespace

Result<> measure_connect(Context& context)
{
    auto place = Place::make(context);
    if (!place)
        return std::unexpected{place.error()};
    if (!(*place)->nft())
        context.report.remarks.push_back("connect: no comparison with nftables: " + (*place)->without_nft());
    for (auto protocol : {Protocol::tcp, Protocol::udp})
        for (auto family : {Family::v4, Family::v6}) {
            Comparison comparison{**place, protocol, family,
                                  context.effort.connects * (protocol == Protocol::udp ? 20 : 1)};
            auto rows = comparison.measure(context.effort.rounds);
            if (!rows)
                return std::unexpected{rows.error()};
            context.report.rows.insert(context.report.rows.end(), rows->begin(), rows->end());
        }
    return {};
}

} // namespace naru::bench
