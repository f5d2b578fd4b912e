#include "access.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>

#include "model/address.hpp"

namespace naru::kube {

namespace {

constexpr std::string_view blanks = " \t\r\n";

std::string trimmed(const std::string& text)
{
    auto first = text.find_first_not_of(blanks);
    return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

Result<std::string> read_file(const std::filesystem::path& file)
{
    std::ifstream in{file, std::ios::binary};
    if (!in)
        return sys_error("read " + file.string());
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

std::optional<std::uint16_t> parse_port(std::string_view text)
{
    std::uint16_t port = 0;
    auto [end, err] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (err != std::errc{} || end != text.data() + text.size() || port == 0)
        return std::nullopt;
    return port;
}

} // namespace

std::optional<Url> Url::parse(std::string_view text)
{
    Url url;
    if (text.starts_with("https://")) {
        text.remove_prefix(8);
    } else if (text.starts_with("http://")) {
        text.remove_prefix(7);
        url.tls = false;
        url.port = 80;
    } else {
        return std::nullopt;
    }
    if (text.find_first_of("@?# \t\r\n") != std::string_view::npos)
        return std::nullopt;
    auto slash = text.find('/');
    if (slash != std::string_view::npos) {
        url.path = text.substr(slash);
        while (url.path.ends_with('/'))
            url.path.pop_back();
        text = text.substr(0, slash);
    }
    if (text.empty())
        return std::nullopt;

    std::string_view port;
    if (text.front() == '[') {
        auto close = text.find(']');
        if (close == std::string_view::npos)
            return std::nullopt;
        url.host = text.substr(1, close - 1);
        text.remove_prefix(close + 1);
        if (!text.empty() && text.front() != ':')
            return std::nullopt;
        port = text.empty() ? text : text.substr(1);
        if (!text.empty() && port.empty())
            return std::nullopt;
    } else {
        auto colon = text.find(':');
        url.host = text.substr(0, colon);
        if (colon != std::string_view::npos) {
            port = text.substr(colon + 1);
            if (port.empty())
                return std::nullopt;
        }
    }
    if (url.host.empty())
        return std::nullopt;
    if (!port.empty()) {
        auto number = parse_port(port);
        if (!number)
            return std::nullopt;
        url.port = *number;
    }
    return url;
}

std::string Url::text() const
{
    bool brackets = host.find(':') != std::string::npos;
    return std::string{tls ? "https://" : "http://"} + (brackets ? "[" + host + "]" : host) + ":" +
           std::to_string(port) + path;
}

Result<std::string> Pem::read() const { return text.empty() ? read_file(file) : Result<std::string>{text}; }

bool Token::usable(std::string_view text)
{
    constexpr std::size_t longest = 16 << 10;
    return !text.empty() && text.size() <= longest &&
           std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

const std::string& Token::value(Time now)
{
    if (file_.empty() || (read_at_ && now - *read_at_ < read_again_after))
        return current_;
    if (auto text = read_file(file_)) {
        if (auto token = trimmed(*text); usable(token))
            current_ = std::move(token);
    }
    read_at_ = now;
    return current_;
}

void Token::rejected()
{
    if (!file_.empty())
        read_at_.reset();
}

Result<Access> read_kubeconfig(const std::filesystem::path& file)
{
    constexpr std::uintmax_t largest = 1 << 20;
    std::error_code code;
    auto size = std::filesystem::file_size(file, code);
    if (code)
        return std::unexpected{Error{code, "read kubeconfig " + file.string()}};
    if (size > largest)
        return error("kubeconfig " + file.string() + " is larger than 1 MB");
    auto text = read_file(file);
    if (!text)
        return std::unexpected{text.error()};
    auto access = parse_kubeconfig(*text, file.parent_path());
    if (!access)
        return error("kubeconfig " + file.string() + ": " + access.error().message());
    return access;
}

bool in_cluster(const std::filesystem::path& folder)
{
    std::error_code code;
    return std::filesystem::exists(folder / "token", code);
}

Result<Access> in_cluster_access(const char* host, const char* port, const std::filesystem::path& folder)
{
    if (!in_cluster(folder))
        return error("no service account token in " + folder.string());
    Access access;
    access.token = Token{folder / "token"};
    access.ca.file = folder / "ca.crt";
    if (host && *host) {
        bool brackets = std::string_view{host}.find(':') != std::string_view::npos;
        auto url = Url::parse(std::string{"https://"} + (brackets ? "[" : "") + host + (brackets ? "]" : "") +
                              ":" + (port && *port ? port : "443"));
        if (!url)
            return error("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT name no server");
        access.servers.push_back(*url);
    }
    return access;
}

} // namespace naru::kube
