// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <errno.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sys/socket.h>

/// linux/if_packet.h, which does not go together with netpacket/packet.h.
enum { QDISC_BYPASS = 20 };

int bench_packet_socket(const char *interface) {
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(interface)};
    int one = 1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return -errno;
    if (setsockopt(fd, SOL_PACKET, QDISC_BYPASS, &one, sizeof one) < 0) return -errno;
    return fd;
}
