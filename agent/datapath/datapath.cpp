#include "datapath.hpp"

#include <fcntl.h>
#include <net/if.h>

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "attach.hpp"
#include "device_rows.hpp"
#include "knobs.hpp"
#include "loader.hpp"
#include "missing.hpp"
#include "object_info.hpp"
#include "pins.hpp"
#include "probe.hpp"
#include "table.hpp"

namespace naru {

namespace fs = std::filesystem;

struct Datapath::State {
    DatapathOptions options;
    Pins pins;
    lb_config config;
    Programs programs;
    Hooks hooks;
    UniqueFd devices_map;

    int program(std::string_view hook) const { return programs.find(hook)->second.get(); }
    Table<std::uint32_t, lb_device> rows() const { return {devices_map.get(), "lb_devices"}; }
    void replace_adopted() const;
    Result<> detach_sockets() const;
    void put_device(std::uint32_t index, const Device& device, const NetworkState& network, DeviceSet set,
                    std::vector<Error>& errors) const;
    void forget_others(const std::map<std::uint32_t, Device>& devices, std::vector<Error>& errors) const;
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
    auto devices = open_pin(pins->maps() / "lb_devices");
    if (!devices)
        return std::unexpected{devices.error()};

    Hooks hooks{pins->links(), features->tcx ? TcMode::tcx : TcMode::clsact};
    auto state = std::make_unique<State>(State{.options = std::move(wanted),
                                               .pins = std::move(*pins),
                                               .config = *config,
                                               .programs = {},
                                               .hooks = std::move(hooks),
                                               .devices_map = std::move(*devices)});
    return Datapath{std::move(state)};
}

std::function<Result<Programs>()> Datapath::loader() const
{
    return [maps = state_->pins.maps(), socket_lb = state_->options.socket_lb, config = state_->config] {
        return load_programs(maps, socket_lb, config);
    };
}

Result<> Datapath::take(Programs programs)
{
    if (auto pinned = pin_programs(state_->pins, programs); !pinned)
        return pinned;
    state_->programs = std::move(programs);
    state_->replace_adopted();
    return {};
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

    for (const auto& [index, device] : devices)
        state_->put_device(index, device, network, set, errors);
    if (set == DeviceSet::whole)
        state_->forget_others(devices, errors);
    return errors;
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
/// program was not loaded belongs to what is switched off; attach_sockets() removes it.
void Datapath::State::replace_adopted() const
{
    for (const auto& pin : hooks.pinned())
        if (auto own = programs.find(pin.hook); own != programs.end())
            (void)hooks.replace(pin, own->second.get());
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

void Datapath::State::put_device(std::uint32_t index, const Device& device, const NetworkState& network,
                                 DeviceSet set, std::vector<Error>& errors) const
{
    auto fail = [&](const Error& why) {
        // It vanished; netlink says so in a moment, and then it is forgotten.
        if (why.code != std::errc::no_such_device)
            errors.push_back({why.code, fmt::format("device {}: {}", device.link.name, why.what)});
    };
    // The row first: programs leave alone what comes by a device without one.
    auto row = device_row(device, network);
    if (set == DeviceSet::partial) {
        auto known = rows().get(index);
        if (!known)
            return fail(known.error());
        if (*known)
            row.flags = (*known)->flags;
    }
    if (auto put = rows().put(index, row); !put)
        return fail(put.error());
    for (auto hook : device_hooks)
        if (auto put = hooks.put_on_device(hook, program(hook), index); !put)
            return fail(put.error());
}

void Datapath::State::forget_others(const std::map<std::uint32_t, Device>& devices,
                                    std::vector<Error>& errors) const
{
    for (const auto& pin : hooks.pinned())
        if (pin.ifindex && !devices.contains(pin.ifindex))
            if (auto gone = hooks.remove(pin); !gone)
                errors.push_back(gone.error());
    auto known = rows().keys();
    if (!known) {
        errors.push_back(known.error());
        return;
    }
    for (auto index : *known)
        if (!devices.contains(index))
            if (auto gone = rows().erase(index); !gone)
                errors.push_back(gone.error());
}

} // namespace naru
