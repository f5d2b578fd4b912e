#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include <unistd.h>

#include "source/kube/access.hpp"

using namespace naru::kube;
using namespace std::chrono_literals;

namespace {

const std::string head = R"(
apiVersion: v1
kind: Config
current-context: here
contexts: [{name: here, context: {cluster: c, user: u}}]
)";

std::string config(const std::string& cluster, const std::string& user)
{
    return head + "clusters: [{name: c, cluster: {" + cluster + "}}]\nusers: [{name: u, user: {" + user +
           "}}]\n";
}

std::string why(const std::string& text)
{
    auto access = parse_kubeconfig(text, "/etc/naru");
    REQUIRE_FALSE(access);
    return access.error().message();
}

struct Folder {
    std::filesystem::path path =
        std::filesystem::temp_directory_path() / ("naru-access-" + std::to_string(::getpid()));
    Folder() { std::filesystem::create_directories(path); }
    ~Folder() { std::filesystem::remove_all(path); }
    void write(const std::string& name, const std::string& text) const { std::ofstream{path / name} << text; }
};

} // namespace

TEST_CASE("URLs of API servers are read with and without port, path and brackets")
{
    CHECK(Url::parse("https://10.0.0.1:6443") ==
          Url{.tls = true, .host = "10.0.0.1", .port = 6443, .path = ""});
    CHECK(Url::parse("https://api.example/") ==
          Url{.tls = true, .host = "api.example", .port = 443, .path = ""});
    CHECK(Url::parse("https://[fd00::1]:6443/a/b/") ==
          Url{.tls = true, .host = "fd00::1", .port = 6443, .path = "/a/b"});
    CHECK(Url::parse("http://localhost") == Url{.tls = false, .host = "localhost", .port = 80, .path = ""});
    CHECK(Url::parse("https://[fd00::1]:6443")->text() == "https://[fd00::1]:6443");
    for (const char* bad :
         {"", "10.0.0.1:6443", "https://", "https://:1", "https://a:", "https://a:0", "https://a:70000",
          "https://[fd00::1", "https://[::1]x", "https://user@a", "ftp://a"})
        CHECK_FALSE(Url::parse(bad));
}

TEST_CASE("a kubeconfig gives server, name and credentials of its current context")
{
    auto access = parse_kubeconfig(
        config("server: 'https://10.0.0.1:6443', certificate-authority: ca.crt, tls-server-name: kubernetes",
               "client-certificate: /abs/c.crt, client-key: c.key, token: t0p"),
        "/etc/naru");
    REQUIRE(access);
    CHECK(access->servers == std::vector{*Url::parse("https://10.0.0.1:6443")});
    CHECK(access->server_name == "kubernetes");
    CHECK(access->ca.file == "/etc/naru/ca.crt");
    CHECK(access->client_certificate.file == "/abs/c.crt");
    CHECK(access->client_key.file == "/etc/naru/c.key");
    CHECK(access->token.value({}) == "t0p");
}

TEST_CASE("inline data wins over a file")
{
    auto access = parse_kubeconfig(
        config("server: 'https://a', certificate-authority: x, certificate-authority-data: aGVsbG8=", ""),
        "/");
    REQUIRE(access);
    CHECK(access->ca.read() == "hello");
}

TEST_CASE("what a kubeconfig asks for and naru does not do is said")
{
    CHECK(why(config("server: 'https://a', insecure-skip-tls-verify: true", ""))
              .find("insecure-skip-tls-verify") == 0);
    CHECK(why(config("server: 'https://a', proxy-url: 'http://p'", "")).find("proxy-url") == 0);
    CHECK(why(config("server: 'https://a'", "exec: {command: x}")).find("exec") == 0);
    CHECK(why(config("server: 'https://a'", "username: x, password: y")).find("username") == 0);
    CHECK(why(config("server: 'https://a'", "password: y")).find("password") == 0);
    CHECK(why(config("server: 'https://a'", "as: someone")).find("as") == 0);
    CHECK(why(config("server: 'https://a'", "as-user-extra: {a: [b]}")).find("as-user-extra") == 0);
    CHECK(why(config("server: 'https://a'", "client-key: k")).find("client-certificate and client-key") == 0);
    CHECK(why(config("server: nowhere", "")).find("server \"nowhere\"") == 0);
    CHECK(why(config("server: 'https://a', certificate-authority-data: '!!!!'", ""))
              .find("certificate-authority-data") == 0);
    for (const char* nothing : {"====", "' '"})
        CHECK(why(config(std::string{"server: 'https://a', certificate-authority-data: "} + nothing, ""))
                  .find("certificate-authority-data") == 0);
    CHECK(why(config("server: 'https://a/b c'", "")).find("server \"https://a/b c\"") == 0);
    CHECK(why(config("server: 'https://a'", "token: " + std::string(20'000, 'x'))).find("token") == 0);
    CHECK(why("contexts: []").find("current-context is not set") == 0);
    CHECK(why("current-context: gone").find("no entry named \"gone\" in contexts") == 0);
    CHECK(why("[1, 2").find("line ") == 0);
}

TEST_CASE("a token file is read again after a while, and keeps its last value when it cannot be read")
{
    Folder folder;
    folder.write("token", "first\n");
    Token token{folder.path / "token"};
    Token::Time now{1h};
    CHECK(token.value(now) == "first");
    folder.write("token", "second");
    CHECK(token.value(now + 10s) == "first");
    CHECK(token.value(now + 51s) == "second");
    folder.write("token", "  \n");
    CHECK(token.value(now + 120s) == "second");
    std::filesystem::remove(folder.path / "token");
    CHECK(token.value(now + 200s) == "second");
}

TEST_CASE("a rejected token is read anew at its next use")
{
    Folder folder;
    folder.write("token", "first");
    Token token{folder.path / "token"};
    Token::Time now{1h};
    token.value(now);
    folder.write("token", "second");
    token.rejected();
    CHECK(token.value(now + 1s) == "second");
}

TEST_CASE("a pod's service account gives token and authority, the environment the server")
{
    Folder folder;
    CHECK_FALSE(in_cluster(folder.path));
    CHECK_FALSE(in_cluster_access("10.96.0.1", "443", folder.path));
    folder.write("token", "pod");
    CHECK(in_cluster(folder.path));
    auto access = in_cluster_access("fd96::1", "443", folder.path);
    REQUIRE(access);
    CHECK(access->servers == std::vector{*Url::parse("https://[fd96::1]:443")});
    CHECK(access->token.value({}) == "pod");
    CHECK(access->ca.file == folder.path / "ca.crt");
    CHECK(in_cluster_access(nullptr, nullptr, folder.path)->servers.empty());
}
