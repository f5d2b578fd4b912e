#include <catch2/catch.hpp>

#include <cstddef>

#include "lb/sctp.h"

TEST_CASE("the header of SCTP is laid out as RFC 9260 has it")
{
    CHECK(offsetof(lb_sctp_header, tag) == 4);
    CHECK(offsetof(lb_sctp_header, checksum) == 8);
    CHECK(offsetof(lb_sctp_header, chunk) == 12);
    CHECK(sizeof(lb_sctp_header) == 16);
}

TEST_CASE("every chunk of SCTP says one of the things a TCP header can say, and unknown ones go on")
{
    for (unsigned chunk = 0; chunk < 256; ++chunk) {
        CAPTURE(chunk);
        unsigned says = lb_sctp_flags(static_cast<__u8>(chunk));
        switch (chunk) {
        case 1: // INIT
            CHECK(says == LB_TCP_SYN);
            break;
        case 2: // INIT ACK
            CHECK(says == (LB_TCP_SYN | LB_TCP_ACK));
            break;
        case 4: // HEARTBEAT and its answer
        case 5:
            CHECK(says == 0);
            break;
        case 6: // ABORT
            CHECK(says == LB_TCP_RST);
            break;
        case 7: // SHUTDOWN, its answer, and what ends both
        case 8:
        case 14:
            CHECK(says == (LB_TCP_FIN | LB_TCP_ACK));
            break;
        default:
            CHECK(says == LB_TCP_ACK);
        }
    }
}

TEST_CASE("TCP and SCTP have connections, UDP has none")
{
    CHECK(lb_has_connections(LB_PROTO_TCP));
    CHECK(lb_has_connections(LB_PROTO_SCTP));
    CHECK_FALSE(lb_has_connections(LB_PROTO_UDP));
}
