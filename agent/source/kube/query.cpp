#include "query.hpp"

#include <string_view>

#include "build.hpp"

namespace naru::kube {

namespace {

constexpr std::size_t page_size = 500;

std::string path_of(Resource resource)
{
    const bool core = resource != Resource::endpoint_slices;
    return std::string{core ? "/api/v1/" : "/apis/discovery.k8s.io/v1/"} + std::string{name_of(resource)};
}

bool is_unreserved(char c) // RFC 3986 section 2.3
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

std::string escaped(std::string_view text)
{
    static constexpr char hex[] = "0123456789ABCDEF";
    std::string out;
    for (char c : text) {
        if (is_unreserved(c)) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', hex[byte >> 4], hex[byte & 15]};
    }
    return out;
}

std::string selectors(const Interest& interest)
{
    switch (interest.resource) {
    case Resource::services: {
        const std::string name{label_proxy_name};
        const auto labels = interest.own_name.empty() ? "!" + name : name + "=" + interest.own_name;
        return "&labelSelector=" + escaped(labels) +
               (interest.field_selector ? "&fieldSelector=" + escaped("spec.clusterIP!=None") : "");
    }
    case Resource::endpoint_slices:
        return "&labelSelector=" + escaped("!" + std::string{label_headless});
    case Resource::nodes:
        return "&fieldSelector=" + escaped("metadata.name=" + interest.own_name);
    }
    std::unreachable();
}

} // namespace

std::string target(const Interest& interest, const Reflector::Step& step, std::chrono::seconds timeout)
{
    std::string query;
    if (step.mode == Reflector::Mode::list) {
        // Only a consistent read is cut into pages: the server's cache answers the others, and whole.
        query = step.version.empty() ? "?limit=" + std::to_string(page_size) + "&" : "?";
        if (!step.continue_token.empty())
            query += "continue=" + escaped(step.continue_token);
        else
            query += "resourceVersion=" + escaped(step.version); // a token carries its own
    } else {
        query = "?watch=1&allowWatchBookmarks=true&timeoutSeconds=" + std::to_string(timeout.count());
        if (step.mode == Reflector::Mode::watch_list)
            query += "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan";
        query += "&resourceVersion=" + escaped(step.version);
    }
    return path_of(interest.resource) + query + selectors(interest);
}

std::string accept(Reflector::Mode mode, bool json_only)
{
    std::string out;
    if (!json_only)
        out = std::string{protobuf_type} + (mode == Reflector::Mode::list ? "," : ";stream=watch,");
    return out + std::string{json_type};
}

} // namespace naru::kube
