// Every struct that both sides of the kernel boundary read has a fixed size and no byte without a name: a hidden one
// would take part in the hash of a map key with whatever happened to lie there.
#include <type_traits>

#include "lb/abi.h"
#include "lb/reason.h"
#include "lb/shadowed.h"

namespace {

template <class T, std::size_t bytes>
constexpr bool fixed = sizeof(T) == bytes && std::is_trivially_copyable_v<T> && std::is_standard_layout_v<T> &&
                       std::has_unique_object_representations_v<T>;

static_assert(fixed<lb_addr, 16>);
static_assert(fixed<lb_frontend_key, 24>);
static_assert(fixed<lb_frontend, 12>);
static_assert(fixed<lb_range_key, 24>);
static_assert(fixed<lb_service, 8>);
static_assert(fixed<lb_block, 32>);
static_assert(fixed<lb_backend, 32>);
static_assert(fixed<lb_service_name, 240>);
static_assert(fixed<lb_node, 48>);
static_assert(fixed<lb_device, 48>);
static_assert(fixed<lb_tuple, 40>);
static_assert(fixed<lb_ct, 56>);
static_assert(fixed<lb_affinity_key, 40>);
static_assert(fixed<lb_affinity, 24>);
static_assert(fixed<lb_sock, 48>);
static_assert(fixed<lb_sock_udp_key, 32>);
static_assert(fixed<lb_sock_udp, 40>);
static_assert(fixed<lb_udp_gone_key, 24>);
static_assert(fixed<lb_udp_gone, 8>);
static_assert(fixed<lb_shadowed_key, 32>);
static_assert(fixed<lb_shadowed, 136>);
static_assert(fixed<lb_fragment_key, 40>);
static_assert(fixed<lb_fragment, 80>);
static_assert(fixed<lb_counter, 16>);
static_assert(fixed<lb_bucket, 16>);
static_assert(std::has_unique_object_representations_v<lb_config>);

// The record is one aligned 64-bit word, a block's parts follow one another without gaps.
static_assert(sizeof(lb_service) == sizeof(__u64));
static_assert(sizeof(lb_block) == LB_BLOCK_ALIGN && sizeof(lb_backend) == LB_BLOCK_ALIGN);
static_assert(LB_ARENA_BYTES % LB_BLOCK_ALIGN == 0);
static_assert(LB_MAX_SLOTS <= 0xffff && LB_MAX_ROWS <= 0x8000); // u16 counts, u16 positions with one bit to spare

static_assert(LB_REASON_COUNT <= LB_METRIC_STRIDE);

} // namespace
