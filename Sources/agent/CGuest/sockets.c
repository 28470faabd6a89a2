// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "request.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

/// linux/vm_sockets.h
struct vsock_address {
    sa_family_t family;
    uint16_t reserved;
    uint32_t port;
    uint32_t context;
    uint8_t flags;
    uint8_t zero[3];
};

static int vsock(void) {
    return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int32_t guest_listen(uint32_t port) {
    struct vsock_address address = {.family = AF_VSOCK, .port = port, .context = UINT32_MAX};
    int fd = vsock();
    if (fd < 0) return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return close_with_error(fd);
    if (listen(fd, 256) < 0) return close_with_error(fd);
    return fd;
}

int32_t guest_connect(uint32_t context, uint32_t port) {
    struct vsock_address address = {.family = AF_VSOCK, .port = port, .context = context};
    int fd = vsock();
    if (fd < 0) return -errno;
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (result < 0 && errno != EINPROGRESS) return close_with_error(fd);
    return fd;
}

int32_t guest_connected(int32_t fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return -error;
}

int32_t guest_accept(int32_t fd, uint32_t context) {
    struct vsock_address address = {0};
    socklen_t size = sizeof address;
    int socket = accept4(fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return -errno;
    if (address.family == AF_VSOCK && address.context != context) {
        close(socket);
        return -EACCES;
    }
    return socket;
}

int32_t guest_connect_port(uint16_t port, int32_t is_ipv6) {
    struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    address4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address6.sin6_addr = in6addr_loopback;
    int fd = socket(
        is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = is_ipv6 ? connect(fd, (struct sockaddr *)&address6, sizeof address6)
                         : connect(fd, (struct sockaddr *)&address4, sizeof address4);
    if (result < 0 && errno != EINPROGRESS) return close_with_error(fd);
    return fd;
}

void guest_end_writing(int32_t fd) { shutdown(fd, SHUT_WR); }

int32_t guest_is_gone(int32_t fd) {
    return send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}
