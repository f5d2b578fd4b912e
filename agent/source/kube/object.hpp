// What the API server sends, decoded as far as naru reads it, and the seam between the two encodings.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "frames.hpp"
#include "model/endpoint.hpp"
#include "model/node.hpp"
#include "model/result.hpp"
#include "model/service.hpp"

namespace naru::kube {

using Object = std::variant<Service, EndpointSlice, Node>;

enum class Resource { services, endpoint_slices, nodes };

std::string_view name_of(Resource resource); ///< as in a path: "endpointslices"

inline constexpr std::string_view protobuf_type = "application/vnd.kubernetes.protobuf";
inline constexpr std::string_view json_type = "application/json";
std::optional<Encoding> encoding_of(std::string_view content_type); ///< none: of no use

/// meta/v1 Status, of an ERROR event or an answer other than 200.
struct Status {
    int code = 0;
    std::string reason{}; ///< "Expired", "Gone", ...
    std::string message{};
    bool version_too_large = false;
    std::optional<int> retry_after_sec{};

    friend bool operator==(const Status&, const Status&) = default;
};

struct Event {
    enum class Type { added, modified, deleted, bookmark, error };

    Type type = Type::added;
    std::string version; ///< metadata.resourceVersion
    bool initial_events_end = false;
    std::optional<Object> object; ///< added, modified, deleted; absent: not decodable, or of another kind
    Status status;                ///< error
};

struct Page {
    std::vector<Object> items;
    std::size_t skipped = 0; ///< items that could not be decoded
    std::string version;
    std::string continue_token;
};

/// Bytes to objects. An Error means that the bytes cannot be understood at all; an object that cannot is left
/// out and counted, and everything else is kept.
class Decoder {
public:
    virtual ~Decoder() = default;
    virtual Result<Event> event(std::span<const std::byte> frame, Resource resource) const = 0;
    virtual Result<Page> page(std::span<const std::byte> body, Resource resource) const = 0;
    virtual Result<Status> status(std::span<const std::byte> body) const = 0;
};

std::unique_ptr<Decoder> make_decoder(Encoding encoding);

} // namespace naru::kube
