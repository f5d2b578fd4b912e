// Between the tables as values and the rows of the maps. Reading distrusts: what contradicts itself is no
// value.
#pragma once

#include <optional>

#include "lb/abi.h"
#include "model/layout.hpp"
#include "model/result.hpp"
#include "model/tables.hpp"

namespace naru {

lb_frontend_key to_raw(const FrontendKey& key);
std::optional<FrontendKey> from_raw(const lb_frontend_key& raw);

/// `inside` and `outside`: the numbers of the services that `row` names, 0 where it names none.
lb_frontend to_raw(const FrontendRow& row, std::uint32_t inside, std::uint32_t outside);
/// Without the services; nullopt: not a row of `key`, or flags that contradict each other.
std::optional<FrontendRow> from_raw(const FrontendKey& key, const lb_frontend& raw);
bool is_tombstone(const lb_frontend& raw);
/// What remains of a row when its port is deleted; nullopt: nothing, because no tracked connection can need it.
std::optional<lb_frontend> tombstone(const FrontendKey& key, const FrontendRow& row);

/// Error: a name that does not fit.
Result<lb_service_name> to_raw(const ServiceId& id, lb_service_type type);
struct NamedService {
    ServiceId id;
    lb_service_type type = LB_TYPE_CLUSTER_IP;
};
std::optional<NamedService> from_raw(const lb_service_name& raw);

lb_range_key to_raw(std::uint32_t service, const Cidr& network);
std::optional<Cidr> network_of(const lb_range_key& raw);

/// The row as the block tells it; type and source ranges are kept elsewhere.
ServiceRow row_of(const Block& block);

} // namespace naru
