#include "netns_cookie.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <iterator>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include "fd.hpp"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

namespace naru {

namespace {

Result<UniqueFd> udp_socket()
{
    UniqueFd socket{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (!socket)
        return sys_error("open a socket");
    return socket;
}

Result<std::uint64_t> number(const UniqueFd& socket, int option, const char* what)
{
    std::uint64_t value = 0;
    socklen_t length = sizeof value;
    if (::getsockopt(socket.get(), SOL_SOCKET, option, &value, &length) != 0)
        return sys_error(what);
    return value;
}

constexpr bpf_insn insn(int code, std::uint8_t dst, std::uint8_t src, std::int16_t off, std::int64_t imm)
{
    return {.code = static_cast<__u8>(code),
            .dst_reg = static_cast<__u8>(dst & 0xf),
            .src_reg = static_cast<__u8>(src & 0xf),
            .off = off,
            .imm = static_cast<__s32>(imm)};
}

constexpr bpf_insn call(bpf_func_id helper) { return insn(BPF_JMP | BPF_CALL, 0, 0, 0, helper); }
constexpr bpf_insn move(std::uint8_t dst, std::uint8_t src)
{
    return insn(BPF_ALU64 | BPF_MOV | BPF_X, dst, src, 0, 0);
}

/// Lets every socket connect. Of the one with this cookie it writes the namespace's number to `map`.
Result<UniqueFd> load_onlooker(std::uint64_t socket, int map)
{
    constexpr std::int16_t key = -16, value = -8;
    const bpf_insn program[] = {
        move(BPF_REG_6, BPF_REG_1),
        call(BPF_FUNC_get_socket_cookie),
        insn(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, 0, 0, static_cast<std::int64_t>(socket & 0xffffffff)),
        insn(0, 0, 0, 0, static_cast<std::int64_t>(socket >> 32)),
        insn(BPF_JMP | BPF_JNE | BPF_X, BPF_REG_0, BPF_REG_1, 12, 0),
        move(BPF_REG_1, BPF_REG_6),
        call(BPF_FUNC_get_netns_cookie),
        insn(BPF_STX | BPF_MEM | BPF_DW, BPF_REG_10, BPF_REG_0, value, 0),
        insn(BPF_ST | BPF_MEM | BPF_W, BPF_REG_10, 0, key, 0),
        insn(BPF_LD | BPF_DW | BPF_IMM, BPF_REG_1, BPF_PSEUDO_MAP_FD, 0, map),
        insn(0, 0, 0, 0, 0),
        move(BPF_REG_2, BPF_REG_10),
        insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_2, 0, 0, key),
        move(BPF_REG_3, BPF_REG_10),
        insn(BPF_ALU64 | BPF_ADD | BPF_K, BPF_REG_3, 0, 0, value),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_4, 0, 0, BPF_ANY),
        call(BPF_FUNC_map_update_elem),
        insn(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0, 0, 0, 1),
        insn(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
    };
    LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = BPF_CGROUP_INET4_CONNECT);
    int fd = bpf_prog_load(BPF_PROG_TYPE_CGROUP_SOCK_ADDR, "naru_netns", "Dual BSD/GPL", program,
                           std::size(program), &options);
    if (fd < 0)
        return sys_error("load a program that tells network namespaces apart", -fd);
    return UniqueFd{fd};
}

/// A datagram socket sends nothing thereby, and the program has seen it before a route is looked for.
void connect_to_itself(const UniqueFd& socket)
{
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    (void)::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

} // namespace

Result<std::uint64_t> netns_cookie()
{
    auto socket = udp_socket();
    if (!socket)
        return std::unexpected{socket.error()};
    return number(*socket, SO_NETNS_COOKIE, "ask for the network namespace's number (SO_NETNS_COOKIE)");
}

Result<std::uint64_t> netns_cookie_below(const std::filesystem::path& cgroup)
{
    auto socket = udp_socket();
    if (!socket)
        return std::unexpected{socket.error()};
    auto own = number(*socket, SO_COOKIE, "ask for a socket's number");
    if (!own)
        return own;
    UniqueFd map{bpf_map_create(BPF_MAP_TYPE_ARRAY, "naru_netns", 4, sizeof(std::uint64_t), 1, nullptr)};
    UniqueFd folder{::open(cgroup.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!map || !folder)
        return sys_error("prepare to look at a socket of this process");
    auto program = load_onlooker(*own, map.get());
    if (!program)
        return std::unexpected{program.error()};
    UniqueFd link{bpf_link_create(program->get(), folder.get(), BPF_CGROUP_INET4_CONNECT, nullptr)};
    if (!link)
        return sys_error("attach a program to " + cgroup.string());
    connect_to_itself(*socket);

    std::uint32_t only = 0;
    std::uint64_t cookie = 0;
    if (int failed = bpf_map_lookup_elem(map.get(), &only, &cookie))
        return sys_error("read the network namespace's number", -failed);
    if (cookie == 0)
        return error(
            fmt::format("naru-agent does not run below {}, so on this kernel (before Linux 5.14) it cannot "
                        "tell its own network namespace from pods': start it in a cgroup below, name another "
                        "one with --cgroup-path, or run with --socket-lb off",
                        cgroup.string()));
    return cookie;
}

} // namespace naru
