#include "datapath.hpp"

#include <fcntl.h>
#include <net/if.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "attach.hpp"
#include "device_rows.hpp"
#include "device_tables.hpp"
#include "knobs.hpp"
#include "loader.hpp"
#include "missing.hpp"
#include "object_info.hpp"
#include "pins.hpp"
#include "probe.hpp"
#include "xdp.hpp"

namespace naru {

namespace fs = std::filesystem;

namespace {

const std::vector<std::string_view>& hooks_of(const Device& device)
{
    return device.role == DeviceRole::own ? egress_hooks : device_hooks;
}

/// What it is for is as before; what it is cannot be but as it says now.
std::uint32_t with_role_of(std::uint32_t before, std::uint32_t now)
{
    return (before & ~static_cast<std::uint32_t>(LB_DEVICE_L3)) | (now & LB_DEVICE_L3);
}

bool is_wanted(const HookPin& pin, XdpMode xdp, const std::map<std::uint32_t, Device>& devices)
{
    const auto device = devices.find(pin.ifindex);
    if (device == devices.end())
        return false;
    if (pin.hook == "xdp")
        return wants_xdp(xdp, device->second);
    return std::ranges::find(hooks_of(device->second), pin.hook) != hooks_of(device->second).end();
}

} // namespace

struct Datapath::State {
    DatapathOptions options;
    Pins pins;
    lb_config config;
    Programs programs;
    Hooks hooks;
    DeviceTables tables;
    std::map<std::uint32_t, WithoutXdp> without_xdp{};

    int program(std::string_view hook) const { return programs.find(hook)->second.get(); }
    void replace_adopted() const;
    bool is_in_other_mode(const HookPin& pin) const;
    Result<> detach_sockets() const;
    bool put_device(std::uint32_t index, const Device& device, const NetworkState& network, DeviceSet set,
                    std::vector<Error>& errors);
    void put_xdp(std::uint32_t index, const Device& device);
    void forget_others(const std::map<std::uint32_t, Device>& devices, std::vector<Error>& errors);
};

Result<Datapath> Datapath::prepare(const DatapathOptions& options)
{
    if (auto able = check_capabilities(); !able)
        return std::unexpected{able.error()};
    auto features = probe_kernel(options.socket_lb);
    if (!features)
        return std::unexpected{features.error()};
    for (const auto& line : features->advice)
        spdlog::warn("{}", line);
    for (const auto& line : missing(*features, options))
        spdlog::warn("{}", line);
    auto wanted = options;
    if (options.socket_lb != SocketLb::off) {
        auto cgroup = find_cgroup(options.cgroup_path);
        if (!cgroup)
            return std::unexpected{cgroup.error()};
        wanted.cgroup_path = *cgroup;
    }
    auto config = knobs(wanted, *features);
    if (!config)
        return std::unexpected{config.error()};
    auto pins = Pins::open(options.bpf_path);
    if (!pins)
        return std::unexpected{pins.error()};
    if (auto made = make_maps(*pins, options, *config); !made)
        return std::unexpected{made.error()};
    if (auto made = pins->make_current(); !made)
        return std::unexpected{made.error()};
    auto tables = DeviceTables::open(pins->maps());
    if (!tables)
        return std::unexpected{tables.error()};

    Hooks hooks{pins->links(), features->tcx ? TcMode::tcx : TcMode::clsact};
    auto state = std::make_unique<State>(State{.options = std::move(wanted),
                                               .pins = std::move(*pins),
                                               .config = *config,
                                               .programs = {},
                                               .hooks = std::move(hooks),
                                               .tables = std::move(*tables)});
    return Datapath{std::move(state)};
}

std::function<Result<Programs>()> Datapath::loader() const
{
    return [maps = state_->pins.maps(), socket_lb = state_->options.socket_lb, xdp = state_->options.xdp,
            config = state_->config] { return load_programs(maps, socket_lb, xdp, config); };
}

Result<> Datapath::take(Programs programs)
{
    if (auto pinned = pin_programs(state_->pins, programs); !pinned)
        return pinned;
    state_->programs = std::move(programs);
    state_->replace_adopted();
    return state_->options.xdp == XdpMode::off ? unpin(state_->pins.progs() / "xdp") : Result<>{};
}

Result<Datapath> Datapath::open(const DatapathOptions& options)
{
    auto datapath = prepare(options);
    if (!datapath)
        return datapath;
    auto programs = datapath->loader()();
    if (!programs)
        return std::unexpected{programs.error()};
    if (auto taken = datapath->take(std::move(*programs)); !taken)
        return std::unexpected{taken.error()};
    return datapath;
}

Datapath::Datapath(std::unique_ptr<State> state) : state_{std::move(state)} {}
Datapath::Datapath(Datapath&&) noexcept = default;
Datapath& Datapath::operator=(Datapath&&) noexcept = default;
Datapath::~Datapath() = default;

Result<Maps> Datapath::maps() const { return Maps::open(state_->options.bpf_path, Access::read_write); }

const lb_config& Datapath::config() const { return state_->config; }

bool Datapath::serves() const
{
    return std::ranges::any_of(state_->hooks.pinned(),
                               [&](const HookPin& pin) { return !state_->hooks.mode_of(pin).empty(); });
}

Result<> Datapath::attach_sockets()
{
    if (state_->options.socket_lb == SocketLb::off)
        return state_->detach_sockets();
    UniqueFd cgroup{::open(state_->options.cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!cgroup)
        return sys_error("open cgroup " + state_->options.cgroup_path.string());
    for (auto hook : socket_hooks)
        if (auto put = state_->hooks.put_on_cgroup(hook, state_->program(hook), cgroup.get()); !put)
            return put;
    return {};
}

std::vector<Error> Datapath::set_devices(const std::map<std::uint32_t, Device>& devices, DeviceSet set)
{
    std::vector<Error> errors;
    NetworkState network;
    auto netlink = Netlink::open();
    if (auto read = netlink ? netlink->read() : std::unexpected{netlink.error()})
        network = std::move(*read);
    else
        errors.push_back(read.error());

    std::map<std::uint32_t, Device> carrying;
    for (const auto& [index, device] : devices)
        if (state_->put_device(index, device, network, set, errors))
            carrying.emplace(index, device);
    // Packets for the host are sent to these devices, whose programs turn them over to it: the rows come when
    // the programs are there and go before these do.
    const auto own = config().host_packets ? own_addresses(carrying) : OwnAddresses{};
    if (auto written = state_->tables.set_own(own); !written)
        errors.push_back(written.error());
    if (set == DeviceSet::whole)
        state_->forget_others(devices, errors);
    return errors;
}

std::vector<WithoutXdp> Datapath::without_xdp() const
{
    std::vector<WithoutXdp> all;
    for (const auto& [index, each] : state_->without_xdp)
        all.push_back(each);
    return all;
}

std::vector<Attachment> Datapath::attachments() const
{
    std::vector<Attachment> found;
    for (const auto& pin : state_->hooks.pinned()) {
        auto mode = state_->hooks.mode_of(pin);
        if (mode.empty())
            continue;
        std::array<char, IF_NAMESIZE> name{};
        if (pin.ifindex)
            ::if_indextoname(pin.ifindex, name.data());
        found.push_back({.hook = pin.hook, .device = name.data(), .mode = std::string{mode}});
    }
    return found;
}

/// What cannot be replaced here is tried again, and told, by set_devices() and attach_sockets(). A pin whose
/// program was not loaded belongs to what is switched off; attach_sockets() removes it. XDP in another mode
/// than is wanted has a program made for that mode until set_devices() attaches it anew.
void Datapath::State::replace_adopted() const
{
    for (const auto& pin : hooks.pinned())
        if (auto own = programs.find(pin.hook); own != programs.end() && !is_in_other_mode(pin))
            (void)hooks.replace(pin, own->second.get());
}

bool Datapath::State::is_in_other_mode(const HookPin& pin) const
{
    const auto mode = pin.hook == "xdp" ? hooks.mode_of(pin) : "";
    return !mode.empty() && mode != (options.xdp == XdpMode::generic ? "generic" : "native");
}

/// In reverse: no new socket is translated while others still need their names translated back.
Result<> Datapath::State::detach_sockets() const
{
    for (auto hook = socket_hooks.rbegin(); hook != socket_hooks.rend(); ++hook) {
        if (auto gone = hooks.remove({.hook = std::string{*hook}}); !gone)
            return gone;
        if (auto gone = unpin(pins.progs() / *hook); !gone)
            return gone;
    }
    return {};
}

/// True: the device has its row and its programs.
bool Datapath::State::put_device(std::uint32_t index, const Device& device, const NetworkState& network,
                                 DeviceSet set, std::vector<Error>& errors)
{
    auto fail = [&](const Error& why) {
        // It vanished; netlink says so in a moment, and then it is forgotten.
        if (why.code != std::errc::no_such_device)
            errors.push_back({why.code, fmt::format("device {}: {}", device.link.name, why.what)});
        return false;
    };
    auto row = device_row(device, network);
    if (set == DeviceSet::partial) {
        auto known = tables.get(index);
        if (!known)
            return fail(known.error());
        if (*known)
            row.flags = with_role_of((*known)->flags, row.flags);
    }
    if (auto put = tables.put(index, row); !put)
        return fail(put.error());
    for (auto hook : hooks_of(device))
        if (auto put = hooks.put_on_device(hook, program(hook), index); !put)
            return fail(put.error());
    put_xdp(index, device);
    return true;
}

/// No error: tc serves the device just the same.
void Datapath::State::put_xdp(std::uint32_t index, const Device& device)
{
    without_xdp.erase(index);
    if (!wants_xdp(options.xdp, device))
        return;
    auto put = hooks.put_xdp(program("xdp"), index, options.xdp == XdpMode::generic);
    if (!put && put.error().code != std::errc::no_such_device)
        without_xdp[index] = {.device = device.link.name,
                              .why = put.error().message(),
                              .asked_for = options.xdp != XdpMode::automatic};
}

void Datapath::State::forget_others(const std::map<std::uint32_t, Device>& devices,
                                    std::vector<Error>& errors)
{
    std::erase_if(without_xdp, [&](const auto& each) { return !devices.contains(each.first); });
    for (const auto& pin : hooks.pinned())
        if (pin.ifindex && !is_wanted(pin, options.xdp, devices))
            if (auto gone = hooks.remove(pin); !gone)
                errors.push_back(gone.error());
    tables.keep_only(devices, errors);
}

} // namespace naru
