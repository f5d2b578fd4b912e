// kubeconfig: the fields naru honours, and a clear word about those it does not.
#include <openssl/evp.h>

#include "access.hpp"
#include "source/yaml/yaml.hpp"

namespace naru::kube {

namespace {

using yaml::Value;

std::string text(const Value& parent, std::string_view key) { return std::string{parent.find(key).scalar()}; }

bool present(const Value& parent, std::string_view key)
{
    return parent.find(key).kind() != yaml::Kind::null;
}

bool is_true(const Value& parent, std::string_view key) { return parent.find(key).scalar() == "true"; }

Result<std::string> base64(const std::string& in, std::string_view field)
{
    std::string out(in.size() / 4 * 3 + 3, '\0');
    int length =
        EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                        reinterpret_cast<const unsigned char*>(in.data()), static_cast<int>(in.size()));
    if (length < 0)
        return error(std::string{field} + " is not base64");
    out.resize(static_cast<std::size_t>(length));
    // The decoder counts padding as zero bytes.
    for (std::size_t i = in.size(); i > 0 && in[i - 1] == '=' && !out.empty(); --i)
        out.pop_back();
    return out;
}

/// The element of `list` whose name is `name`, and in it the member `key`.
Result<Value> named(const Value& root, std::string_view list, std::string_view name, std::string_view key)
{
    for (const auto& element : root.find(list).elements())
        if (element.find("name").scalar() == name)
            return element.find(key);
    return error("no entry named \"" + std::string{name} + "\" in " + std::string{list});
}

/// `key`-data wins over the file `key`; a relative path is relative to the kubeconfig.
Result<Pem> read_pem(const Value& parent, const std::string& key, const std::filesystem::path& folder)
{
    Pem out;
    if (auto data = text(parent, key + "-data"); !data.empty()) {
        auto decoded = base64(data, key + "-data");
        if (!decoded)
            return std::unexpected{decoded.error()};
        if (decoded->empty())
            return error(key + "-data holds nothing");
        out.text = std::move(*decoded);
    } else if (auto file = text(parent, key); !file.empty()) {
        out.file = folder / file;
    }
    return out;
}

Result<> read_cluster(const Value& cluster, const std::filesystem::path& folder, Access& access)
{
    auto server = Url::parse(text(cluster, "server"));
    if (!server)
        return error("server \"" + text(cluster, "server") + "\" is not a URL such as https://10.0.0.1:6443");
    if (present(cluster, "proxy-url"))
        return error("proxy-url is not supported: naru talks to the API server directly");
    if (is_true(cluster, "insecure-skip-tls-verify"))
        return error("insecure-skip-tls-verify is refused: give certificate-authority");
    auto ca = read_pem(cluster, "certificate-authority", folder);
    if (!ca)
        return std::unexpected{ca.error()};
    access.servers.push_back(*server);
    access.ca = std::move(*ca);
    access.server_name = text(cluster, "tls-server-name");
    return {};
}

Result<> read_user(const Value& user, const std::filesystem::path& folder, Access& access)
{
    for (const char* unsupported :
         {"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"})
        if (present(user, unsupported))
            return error(std::string{unsupported} +
                         " is not supported: use a client certificate, token or tokenFile");
    auto certificate = read_pem(user, "client-certificate", folder);
    if (!certificate)
        return std::unexpected{certificate.error()};
    auto key = read_pem(user, "client-key", folder);
    if (!key)
        return std::unexpected{key.error()};
    if (certificate->given() != key->given())
        return error("client-certificate and client-key must be given together");
    access.client_certificate = std::move(*certificate);
    access.client_key = std::move(*key);
    if (auto file = text(user, "tokenFile"); !file.empty())
        access.token = Token{folder / file};
    else if (auto token = text(user, "token"); Token::usable(token))
        access.token = Token{token};
    else if (!token.empty())
        return error("token holds white space or control characters");
    return {};
}

} // namespace

Result<Access> parse_kubeconfig(const std::string& content, const std::filesystem::path& folder)
{
    auto documents = yaml::Documents::parse(content);
    if (!documents)
        return error("line " + std::to_string(documents.error().line) + ": " + documents.error().what);
    auto roots = documents->roots();
    if (roots.size() != 1 || roots.front().kind() != yaml::Kind::map)
        return error("not a kubeconfig document");
    const Value& root = roots.front();
    auto current = text(root, "current-context");
    if (current.empty())
        return error("current-context is not set");
    auto context = named(root, "contexts", current, "context");
    if (!context)
        return std::unexpected{context.error()};
    auto cluster = named(root, "clusters", context->find("cluster").scalar(), "cluster");
    if (!cluster)
        return std::unexpected{cluster.error()};
    Access access;
    if (auto done = read_cluster(*cluster, folder, access); !done)
        return std::unexpected{done.error()};
    if (auto name = context->find("user").scalar(); !name.empty()) {
        auto user = named(root, "users", name, "user");
        if (!user)
            return std::unexpected{user.error()};
        if (auto done = read_user(*user, folder, access); !done)
            return std::unexpected{done.error()};
    }
    return access;
}

} // namespace naru::kube
