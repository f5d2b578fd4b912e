// Kernel tables as the tools read them, written by hand.
#pragma once

#include <cstring>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "builders.hpp"
#include "datapath/rows.hpp"
#include "naructl/output.hpp"
#include "naructl/verbs.hpp"

namespace naru::test {

inline Backend backend_at(std::string_view where, bool local = false)
{
    return {.at = at(where), .chosen = true, .serving = true, .local = local, .terminating = false};
}

inline ServiceRow row_with(std::vector<Backend> backends, std::uint32_t affinity_timeout_sec = 0)
{
    ServiceRow row;
    row.backends = std::move(backends);
    row.affinity_timeout_sec = affinity_timeout_sec;
    return row;
}

inline ctl::ServiceName name_of(std::string name, lb_scope scope = LB_SCOPE_CLUSTER)
{
    return {.ns = "shop",
            .name = std::move(name),
            .port_name = "http",
            .proto = 6,
            .family = 4,
            .scope = static_cast<std::uint8_t>(scope),
            .type = LB_TYPE_CLUSTER_IP};
}

/// A service under `number` with these backends, generations counted from 1 by position.
inline void put_service(ctl::Snapshot& tables, std::uint32_t number, ctl::ServiceName name, ServiceRow row)
{
    Generations generations{1};
    tables.services[number] = {std::move(name), place(nullptr, row, generations, LB_DEFAULT_SEED)};
}

inline void put_frontend(ctl::Snapshot& tables, std::string_view where, lb_frontend frontend)
{
    tables.frontends.emplace_back(to_raw(key(where)), frontend);
}

inline lb_frontend cluster_ip(std::uint32_t service)
{
    return {.inside = service, .outside = service, .kind = LB_KIND_CLUSTER_IP, .flags = 0, .pad = 0};
}

/// shop/web:http, number 1, on 10.96.0.1:80 with a local and a remote backend.
inline ctl::Snapshot shop()
{
    ctl::Snapshot tables;
    put_service(tables, 1, name_of("web"),
                row_with({backend_at("10.1.0.1:8080", true), backend_at("10.1.0.2:8080")}));
    put_frontend(tables, "10.96.0.1:80/TCP", cluster_ip(1));
    put_frontend(tables, "10.96.0.1:0", {});
    return tables;
}

/// The JSON text of the one row a table has.
inline std::string only_row(const ctl::Table& table)
{
    if (table.rows.size() != 1)
        throw std::runtime_error{"the table has " + std::to_string(table.rows.size()) + " rows"};
    return ctl::render(table, ctl::Format::json, true);
}

} // namespace naru::test
