// How to reach an API server and how to prove who we are. Secrets live here and are never printed.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/result.hpp"

namespace naru::kube {

struct Url {
    bool tls = true;
    std::string host; ///< a name, or an address without brackets
    std::uint16_t port = 443;
    std::string path; ///< no slash at its end

    /// "https://10.0.0.1:6443", "https://[fd00::1]/prefix", "http://..." for a server without TLS.
    static std::optional<Url> parse(std::string_view text);
    std::string text() const;
    friend bool operator==(const Url&, const Url&) = default;
};

/// PEM text given inline, or a file that is read again for every connection, so that rotation just works.
struct Pem {
    std::string text;
    std::filesystem::path file;

    bool given() const { return !text.empty() || !file.empty(); }
    Result<std::string> read() const;
};

/// A bearer token. A file is read again once a minute; what cannot be read or is empty leaves the old one in
/// force.
class Token {
public:
    using Time = std::chrono::steady_clock::time_point;

    Token() = default;
    static bool usable(std::string_view text); ///< printable, one word: it becomes part of a header
    explicit Token(std::string fixed) : current_{std::move(fixed)} {}
    explicit Token(std::filesystem::path file) : file_{std::move(file)} {}

    bool given() const { return !file_.empty() || !current_.empty(); }
    const std::string& value(Time now); ///< empty: send none
    void rejected();                    ///< 401: read the file anew before the next use

    static constexpr std::chrono::seconds read_again_after{50}; ///< a minute less ten seconds of leeway

private:
    std::filesystem::path file_;
    std::string current_;
    std::optional<Time> read_at_;
};

struct Access {
    std::vector<Url> servers; ///< tried in order, the one that works is remembered
    Pem ca;                   ///< not given: the system's
    std::string server_name;  ///< verified instead of the host; empty: the host
    Pem client_certificate;
    Pem client_key;
    Token token;
};

/// `text` of a kubeconfig, paths relative to `folder`. What is not supported is an error that says so.
Result<Access> parse_kubeconfig(const std::string& text, const std::filesystem::path& folder);
Result<Access> read_kubeconfig(const std::filesystem::path& file);

/// The service account of a pod: token and CA below `folder`, the server from the environment's host and
/// port.
inline constexpr std::string_view service_account_folder = "/var/run/secrets/kubernetes.io/serviceaccount";
bool in_cluster(const std::filesystem::path& folder = service_account_folder);
Result<Access> in_cluster_access(const char* host, const char* port,
                                 const std::filesystem::path& folder = service_account_folder);

} // namespace naru::kube
