// A node under test: desired state written as the agent writes it, flow state to look at and to age.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "model/layout.hpp"
#include "model/tables.hpp"
#include "network.hpp"
#include "runner.hpp"

namespace naru::test {

/// What a service is made of, see ServiceRow.
struct Spec {
    std::vector<Backend> backends{};
    std::uint32_t affinity_timeout_sec = 0;
    bool drop_if_empty = false;
    lb_algorithm algorithm = LB_ALGORITHM_DEFAULT;
    Forwarding forwarding = Forwarding::snat;
};

/// A flow's two entries, found from the client's packet as sent and as it reached the backend.
struct Flow {
    lb_tuple forward{}, reply{};
};
Flow flow_of(const Packet& sent, const Packet& seen);

/// The four tables of flow state.
struct FlowState {
    std::vector<std::pair<lb_tuple, lb_ct>> tcp, any, snat;
    std::vector<std::pair<lb_affinity_key, lb_affinity>> affinity;
};

class Host {
public:
    /// Empty maps, a row for every device of network(); primary addresses are the uplink's.
    explicit Host(const Settings& settings = {});

    Outcome ingress(const Packet& packet, const Link& link) { return ingress(build(packet), link); }
    Outcome ingress(const Bytes& frame, const Link& link, unsigned gso_size = 0);
    Outcome egress(const Packet& packet, const Link& link) { return egress(build(packet), link); }
    Outcome egress(const Bytes& frame, const Link& link);

    XdpOutcome xdp(const Bytes& frame, const Link& link) { return runner_.xdp(frame, link.ifindex); }
    XdpOutcome xdp(const Packet& packet, const Link& link) { return xdp(build(packet), link); }

    /// Publishes a service; its number. With a number: replaces it, survivors keep position and generation.
    /// `sibling`: the other backend set of the same Service port.
    std::uint32_t publish(const Spec& spec, std::uint32_t number = 0, std::uint32_t sibling = 0);
    void withdraw(std::uint32_t number);
    const Block& block(std::uint32_t number) const { return blocks_.at(number); }

    void frontend(const SocketAddress& at, std::uint8_t protocol, const lb_frontend& row);
    /// The same service for both sides, and the address belongs to frontends only.
    void vip(const SocketAddress& at, std::uint8_t protocol, std::uint32_t service, std::uint8_t flags = 0);
    void wildcard(const Address& address);
    void admit(std::uint32_t service, const Cidr& network);
    /// The address served UDP until then.
    void gone(const SocketAddress& at, std::uint64_t since_jiffies);
    /// Every socket this process makes from now on was connected so, as the socket programs would have noted.
    void sockets_are(std::uint8_t protocol, const SocketAddress& frontend, const SocketAddress& backend);
    void device(const Link& link, std::optional<lb_device> row);
    /// An address of this node, as processes of it may have it.
    void own(const Address& address, unsigned ifindex);
    void primary(const std::optional<Address>& v4, const std::optional<Address>& v6);

    /// Direct access to what no agent would write.
    void record(std::uint32_t number, lb_service record);
    lb_service record(std::uint32_t number) const;
    std::byte* arena() { return runner_.arena(); }

    FlowState flows() const;
    std::optional<lb_ct> entry(const lb_tuple& tuple, bool snat = false) const;
    void write(const lb_tuple& tuple, const lb_ct& entry, bool snat = false);
    void restore(const FlowState& flows); ///< these entries are again as they were
    void forget_flows();                  ///< nothing is tracked
    /// As if nothing had happened on any flow for so long.
    void pass(std::chrono::seconds time);
    /// Every entry was last seen exactly so many ticks before `now`.
    void idle(std::uint64_t ticks, std::uint64_t now);
    /// Datagrams in pieces that are remembered, and as if each had begun so many ticks earlier.
    std::size_t fragmented() const;
    void age_fragments(std::uint64_t ticks);
    /// As if the limits' buckets had last been filled so many ticks ago.
    void age_buckets(std::uint64_t ticks);
    /// What the programs have counted for a backend of the service, by its position.
    std::int64_t open_connections(std::uint32_t service, std::uint16_t position) const;

private:
    template <class Change>
    void change_last_seen(Change change);

    Runner& runner_;
    Generations generations_{1};
    ArenaSpace space_{arena_bytes};
    std::map<std::uint32_t, Block> blocks_;
    std::uint32_t next_number_ = 1;
};

/// Does the step within one tick of the programs' clock, told which, so that ages are exact; as often as it
/// takes.
template <class Step>
auto within_one_tick(Step step)
{
    for (;;) {
        auto now = now_jiffies();
        auto result = step(now);
        if (now_jiffies() == now)
            return result;
    }
}

/// Backends of a row.
Backend local(const SocketAddress& at);
Backend remote(const SocketAddress& at);
Backend draining(Backend backend); ///< serves its flows, chosen by none

} // namespace naru::test
