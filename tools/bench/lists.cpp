#include "lists.hpp"

#include <fmt/format.h>
#include <protozero/pbf_writer.hpp>

namespace naru::bench {

namespace {

using protozero::pbf_writer;

constexpr std::int64_t created_sec = 1'700'000'000;
constexpr std::string_view created = "2023-11-14T22:13:20Z";
constexpr std::string_view manager = "kube-controller-manager";
/// Who set which field: often the largest part of an object.
constexpr std::string_view managed =
    R"({"f:metadata":{"f:annotations":{".":{},"f:endpoints.kubernetes.io/last-change-trigger-time":{}},)"
    R"("f:labels":{".":{},"f:app":{},"f:kubernetes.io/service-name":{}},"f:ownerReferences":{".":{}}},)"
    R"("f:addressType":{},"f:endpoints":{},"f:ports":{},"f:spec":{"f:clusterIP":{},"f:ports":{},"f:selector":{}}})";

/// What of an endpoint naru does not keep.
std::string pod_uid(const Address& address) { return "11111111-0000-4000-8000-" + address.text(); }
std::string pod_name(const ObjectKey& slice, const Address& address)
{
    return fmt::format("{}-7d4b9c6f5d-{}", slice.name.view(), address.text());
}

namespace protobuf {

template <class Write>
void nested(pbf_writer& parent, protozero::pbf_tag_type tag, Write write)
{
    pbf_writer message{parent, tag};
    write(message);
}

void entry(pbf_writer& parent, protozero::pbf_tag_type tag, std::string_view key, std::string_view value)
{
    nested(parent, tag, [&](pbf_writer& out) {
        out.add_string(1, key.data(), key.size());
        out.add_string(2, value.data(), value.size());
    });
}

void text(pbf_writer& out, protozero::pbf_tag_type tag, std::string_view value)
{
    out.add_string(tag, value.data(), value.size());
}

void metadata(pbf_writer& parent, const ObjectKey& key, std::string_view uid, std::string_view service)
{
    nested(parent, 1, [&](pbf_writer& out) {
        text(out, 1, key.name);
        text(out, 3, key.ns);
        text(out, 5, uid);
        text(out, 6, "123456789");
        out.add_int64(7, 1);
        nested(out, 8, [](pbf_writer& time) { time.add_int64(1, created_sec); });
        entry(out, 11, "app", service);
        if (service != key.name.view())
            entry(out, 11, "kubernetes.io/service-name", service);
        entry(out, 12, "endpoints.kubernetes.io/last-change-trigger-time", created);
        nested(out, 17, [](pbf_writer& fields) {
            text(fields, 1, manager);
            text(fields, 2, "Update");
            text(fields, 3, "v1");
            nested(fields, 4, [](pbf_writer& time) { time.add_int64(1, created_sec); });
            text(fields, 6, "FieldsV1");
            nested(fields, 7, [](pbf_writer& raw) { text(raw, 1, managed); });
        });
    });
}

void write(pbf_writer& out, const Service& service)
{
    metadata(out, service.key, service.uid, service.key.name);
    nested(out, 2, [&](pbf_writer& spec) {
        for (const auto& port : service.ports)
            nested(spec, 1, [&](pbf_writer& p) {
                text(p, 1, port.name);
                text(p, 2, naru::text(port.protocol));
                p.add_int32(3, port.port.host);
                nested(p, 4, [&](pbf_writer& target) { target.add_int32(2, 8080); });
            });
        entry(spec, 2, "app", service.key.name);
        text(spec, 3, service.cluster_ips.front().text());
        text(spec, 4, "ClusterIP");
        text(spec, 7, "None");
        text(spec, 17, "SingleStack");
        for (const auto& ip : service.cluster_ips)
            text(spec, 18, ip.text());
        text(spec, 19, "IPv4");
        text(spec, 22, "Cluster");
    });
    nested(out, 3, [](pbf_writer& status) { nested(status, 1, [](pbf_writer&) {}); });
}

void write(pbf_writer& out, const EndpointSlice& slice)
{
    metadata(out, slice.key, "22222222-0000-4000-8000-000000000000", slice.service);
    for (const auto& endpoint : slice.endpoints)
        nested(out, 2, [&](pbf_writer& e) {
            text(e, 1, endpoint.address.text());
            nested(e, 2, [](pbf_writer& conditions) {
                conditions.add_bool(1, true);
                conditions.add_bool(2, true);
                conditions.add_bool(3, false);
            });
            nested(e, 4, [&](pbf_writer& target) {
                text(target, 1, "Pod");
                text(target, 2, slice.key.ns);
                text(target, 3, pod_name(slice.key, endpoint.address));
                text(target, 4, pod_uid(endpoint.address));
            });
            text(e, 6, *endpoint.node);
            text(e, 7, "zone-a");
        });
    for (const auto& port : slice.ports)
        nested(out, 3, [&](pbf_writer& p) {
            text(p, 1, port.name);
            text(p, 2, naru::text(port.protocol));
            p.add_int32(3, port.port->host);
        });
    text(out, 4, "IPv4");
}

template <class T>
std::string list(const std::map<ObjectKey, T>& objects, std::string_view kind, std::string_view version)
{
    std::string items;
    pbf_writer list{items};
    nested(list, 1, [](pbf_writer& metadata) { text(metadata, 2, "123456789"); });
    for (const auto& [_, object] : objects)
        nested(list, 2, [&](pbf_writer& item) { write(item, object); });
    std::string body{"k8s\0", 4};
    pbf_writer envelope{body};
    nested(envelope, 1, [&](pbf_writer& type) {
        text(type, 1, version);
        text(type, 2, kind);
    });
    text(envelope, 2, items);
    return body;
}

} // namespace protobuf

namespace json {

std::string metadata(const ObjectKey& key, std::string_view uid, std::string_view service)
{
    const auto owner = service == key.name.view()
                           ? std::string{}
                           : fmt::format(R"(,"kubernetes.io/service-name":"{}")", service);
    return fmt::format(
        R"("metadata":{{"name":"{}","namespace":"{}","uid":"{}","resourceVersion":"123456789","generation":1,)"
        R"("creationTimestamp":"{}","labels":{{"app":"{}"{}}},)"
        R"("annotations":{{"endpoints.kubernetes.io/last-change-trigger-time":"{}"}},)"
        R"("managedFields":[{{"manager":"{}","operation":"Update","apiVersion":"v1","time":"{}",)"
        R"("fieldsType":"FieldsV1","fieldsV1":{}}}]}})",
        key.name.view(), key.ns.view(), uid, created, service, owner, created, manager, created, managed);
}

template <class List, class Write>
std::string joined(const List& list, Write write)
{
    std::string out;
    for (const auto& each : list)
        out.append(out.empty() ? "" : ",").append(write(each));
    return out;
}

std::string object(const Service& service)
{
    auto ports = joined(service.ports, [](const ServicePort& port) {
        return fmt::format(R"({{"name":"{}","protocol":"{}","port":{},"targetPort":8080}})", port.name.view(),
                           text(port.protocol), port.port.host);
    });
    auto ips = joined(service.cluster_ips, [](const Address& ip) { return '"' + ip.text() + '"'; });
    return fmt::format(
        R"({{{},"spec":{{"ports":[{}],"selector":{{"app":"{}"}},"clusterIP":{},"clusterIPs":[{}],)"
        R"("type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],)"
        R"("ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},)"
        R"("status":{{"loadBalancer":{{}}}}}})",
        metadata(service.key, service.uid.view(), service.key.name), ports, service.key.name.view(), ips,
        ips);
}

std::string object(const EndpointSlice& slice)
{
    auto endpoints = joined(slice.endpoints, [&](const Endpoint& endpoint) {
        return fmt::format(
            R"({{"addresses":["{}"],"conditions":{{"ready":true,"serving":true,"terminating":false}},)"
            R"("targetRef":{{"kind":"Pod","namespace":"{}","name":"{}","uid":"{}"}},"nodeName":"{}","zone":"zone-a"}})",
            endpoint.address.text(), slice.key.ns.view(), pod_name(slice.key, endpoint.address),
            pod_uid(endpoint.address), endpoint.node->view());
    });
    auto ports = joined(slice.ports, [](const EndpointPort& port) {
        return fmt::format(R"({{"name":"{}","protocol":"{}","port":{}}})", port.name.view(),
                           text(port.protocol), port.port->host);
    });
    return fmt::format(R"({{{},"addressType":"IPv4","endpoints":[{}],"ports":[{}]}})",
                       metadata(slice.key, "22222222-0000-4000-8000-000000000000", slice.service), endpoints,
                       ports);
}

template <class T>
std::string list(const std::map<ObjectKey, T>& objects, std::string_view kind, std::string_view version)
{
    auto items = joined(objects, [](const auto& entry) { return object(entry.second); });
    return fmt::format(
        R"({{"kind":"{}","apiVersion":"{}","metadata":{{"resourceVersion":"123456789"}},"items":[{}]}})",
        kind, version, items);
}

} // namespace json

template <class T>
std::string list(const std::map<ObjectKey, T>& objects, std::string_view kind, std::string_view version,
                 kube::Encoding encoding)
{
    return encoding == kube::Encoding::protobuf ? protobuf::list(objects, kind, version)
                                                : json::list(objects, kind, version);
}

} // namespace

std::string list_body(const Snapshot& snapshot, kube::Resource resource, kube::Encoding encoding)
{
    return resource == kube::Resource::services
               ? list(snapshot.services, "ServiceList", "v1", encoding)
               : list(snapshot.slices, "EndpointSliceList", "discovery.k8s.io/v1", encoding);
}

} // namespace naru::bench
