#include "client.hpp"

#include <array>
#include <charconv>

#include <netinet/tcp.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>

namespace naru::kube {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace ssl = asio::ssl;
using asio::ip::tcp;

namespace {

constexpr std::uint32_t header_limit = 64 << 10;

// Half-open links are found without any help of HTTP/1.1: silence in about 45 s, unacknowledged data in 15 s.
constexpr int keepalive_idle_sec = 30;
constexpr int keepalive_interval_sec = 15;
constexpr int keepalive_probes = 1;
constexpr unsigned user_timeout_ms = 15'000;

std::unexpected<Error> failed(std::string what, const beast::error_code& code)
{
    return std::unexpected{Error{std::error_code{code}, std::move(what)}};
}

void watch_link(tcp::socket& socket)
{
    beast::error_code ignored;
    socket.set_option(asio::socket_base::keep_alive{true}, ignored);
    socket.set_option(tcp::no_delay{true}, ignored);
    int fd = socket.native_handle();
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &keepalive_idle_sec, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &keepalive_interval_sec, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &keepalive_probes, sizeof(int));
    ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms, sizeof(unsigned));
}

// CA, certificate and key are read for every connection: rotation needs no restart.
Result<ssl::context> tls_context(const Access& access)
{
    ssl::context context{ssl::context::tls_client};
    beast::error_code code;
    context.set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                            ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1,
                        code);
    context.set_verify_mode(ssl::verify_peer, code);
    if (access.ca.given()) {
        auto ca = access.ca.read();
        if (!ca)
            return std::unexpected{ca.error()};
        context.add_certificate_authority(asio::buffer(*ca), code);
        if (code)
            return failed("use the certificate authority", code);
        // What is named is trusted as it is, an intermediate authority too, as by every client of Kubernetes.
        ::X509_STORE_set_flags(::SSL_CTX_get_cert_store(context.native_handle()), X509_V_FLAG_PARTIAL_CHAIN);
    } else if (context.set_default_verify_paths(code)) {
        return failed("use the system's certificate authorities", code);
    }
    if (access.client_certificate.given()) {
        auto certificate = access.client_certificate.read();
        if (!certificate)
            return std::unexpected{certificate.error()};
        auto key = access.client_key.read();
        if (!key)
            return std::unexpected{key.error()};
        if (context.use_certificate_chain(asio::buffer(*certificate), code))
            return failed("use the client certificate", code);
        if (context.use_private_key(asio::buffer(*key), ssl::context::pem, code))
            return failed("use the client key", code);
    }
    return context;
}

http::request<http::string_body> to_beast(const Request& request, const Url& url, const std::string& token,
                                          const std::string& user_agent)
{
    http::request<http::string_body> out{http::string_to_verb(request.method), url.path + request.target, 11};
    bool brackets = url.host.find(':') != std::string::npos;
    out.set(http::field::host, (brackets ? "[" + url.host + "]" : url.host) + ":" + std::to_string(url.port));
    out.set(http::field::user_agent, user_agent);
    out.set(http::field::accept, request.accept);
    out.set(http::field::connection, "close");
    if (!token.empty())
        out.set(http::field::authorization, "Bearer " + token);
    if (!request.content_type.empty())
        out.set(http::field::content_type, request.content_type);
    if (!request.body.empty()) {
        out.body() = request.body;
        out.prepare_payload();
    }
    return out;
}

Head to_head(const http::response_header<>& header)
{
    Head head{.status = header.result_int(),
              .content_type = std::string{header[http::field::content_type]},
              .retry_after = {}};
    // Only seconds: the API server sends no dates.
    auto after = header[http::field::retry_after];
    unsigned seconds = 0;
    if (auto [end, err] = std::from_chars(after.data(), after.data() + after.size(), seconds);
        err == std::errc{} && end == after.data() + after.size())
        head.retry_after = std::chrono::seconds{seconds};
    return head;
}

// The same exchange over a plain and over a TLS stream.
template <class Stream>
asio::awaitable<Result<Head>> exchange(Stream& stream, http::request<http::string_body> request,
                                       const Receiver& receiver)
{
    auto& lowest = beast::get_lowest_layer(stream);
    auto token = asio::as_tuple(asio::use_awaitable);

    lowest.expires_after(Client::first_byte_timeout);
    if (auto [code, sent] = co_await http::async_write(stream, request, token); code)
        co_return failed("send request", code);

    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.header_limit(header_limit);
    parser.body_limit(boost::none); // a stream has no end; the receiver bounds what it keeps
    if (auto [code, read] = co_await http::async_read_header(stream, buffer, parser, token); code)
        co_return failed("read answer", code);
    Head head = to_head(parser.get().base());
    receiver.head(head);

    std::array<char, 64 << 10> chunk;
    while (!parser.is_done()) {
        parser.get().body().data = chunk.data();
        parser.get().body().size = chunk.size();
        lowest.expires_at(receiver.deadline());
        auto [code, read] = co_await http::async_read_some(stream, buffer, parser, token);
        if (code && code != http::error::need_buffer)
            co_return failed("read answer", code);
        std::size_t got = chunk.size() - parser.get().body().size;
        if (got)
            if (auto taken = receiver.body(std::as_bytes(std::span{chunk.data(), got})); !taken)
                co_return std::unexpected{taken.error()};
    }
    co_return head;
}

} // namespace

Client::Client(asio::any_io_executor executor, Access access, std::string user_agent)
    : executor_{std::move(executor)}, access_{std::move(access)}, user_agent_{std::move(user_agent)}
{
}

asio::awaitable<Result<Head>> Client::perform_at(const Url& url, const Request& request,
                                                 const Receiver& receiver)
{
    auto token = asio::as_tuple(asio::use_awaitable);
    tcp::resolver resolver{executor_};
    auto [resolve_code, endpoints] =
        co_await resolver.async_resolve(url.host, std::to_string(url.port), token);
    if (resolve_code)
        co_return failed("resolve " + url.host, resolve_code);

    beast::tcp_stream link{executor_};
    beast::error_code unreached = asio::error::host_not_found;
    for (const auto& each : endpoints) { // each address has its own time: one may lead nowhere
        link.expires_after(connect_timeout);
        const auto [code] = co_await link.async_connect(each.endpoint(), token);
        unreached = code;
        if (!code)
            break;
        link.close();
    }
    if (unreached)
        co_return failed("connect to " + url.text(), unreached);
    watch_link(link.socket());

    auto message = to_beast(request, url, access_.token.value(std::chrono::steady_clock::now()), user_agent_);
    if (!url.tls)
        co_return co_await exchange(link, std::move(message), receiver);

    auto context = tls_context(access_);
    if (!context)
        co_return std::unexpected{context.error()};
    beast::ssl_stream<beast::tcp_stream> stream{std::move(link), *context};
    const std::string& name = access_.server_name.empty() ? url.host : access_.server_name;
    beast::error_code not_an_address;
    asio::ip::make_address(name, not_an_address);
    if (not_an_address) // server name indication is for names only (RFC 6066 section 3)
        SSL_set_tlsext_host_name(stream.native_handle(), name.c_str());
    stream.set_verify_callback(ssl::host_name_verification{name});
    beast::get_lowest_layer(stream).expires_after(connect_timeout);
    if (auto [code] = co_await stream.async_handshake(ssl::stream_base::client, token); code)
        co_return failed("TLS with " + url.text(), code);
    co_return co_await exchange(stream, std::move(message), receiver);
}

asio::awaitable<Result<Head>> Client::perform(Request request, Receiver receiver)
{
    // The next server is tried when this one gave no answer at all; an answer of any kind is an answer.
    Result<Head> outcome = error("no API server is configured");
    for (std::size_t tried = 0; tried < access_.servers.size(); ++tried) {
        bool answered = false;
        Receiver noting = receiver;
        noting.head = [&](const Head& head) {
            answered = true;
            receiver.head(head);
        };
        outcome = co_await perform_at(access_.servers[current_], request, noting);
        if (answered) {
            if (!outcome || outcome->status >= 500)
                try_another();
            break;
        }
        try_another();
    }
    co_return outcome;
}

} // namespace naru::kube
