// Names of Linux 6.6 that the headers of older distributions lack. libbpf hands values it does not know to
// the kernel as they are.
#pragma once

#include <linux/bpf.h>

#include <cstdint>

namespace naru {

constexpr auto tcx_ingress = static_cast<bpf_attach_type>(46); ///< BPF_TCX_INGRESS
constexpr auto tcx_egress = static_cast<bpf_attach_type>(47);  ///< BPF_TCX_EGRESS
constexpr std::uint32_t tcx_before = 1U << 3;                  ///< BPF_F_BEFORE, here: before all others

/// bpf_link_info.tcx.ifindex lies where the one of xdp does.
inline std::uint32_t tcx_ifindex(const bpf_link_info& info) { return info.xdp.ifindex; }

} // namespace naru
