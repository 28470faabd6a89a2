// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "clinux_tcp.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

static int close_with_error(int fd) {
    int error = -errno;
    close(fd);
    return error;
}

int clinux_tcp_listen(const char *address, uint16_t port, int backlog) {
    struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    int is4 = inet_pton(AF_INET, address, &address4.sin_addr) == 1;
    if (!is4 && inet_pton(AF_INET6, address, &address6.sin6_addr) != 1) return -EINVAL;
    int family = is4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (!is4) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    int result = is4 ? bind(fd, (struct sockaddr *)&address4, sizeof address4)
                     : bind(fd, (struct sockaddr *)&address6, sizeof address6);
    if (result < 0 || listen(fd, backlog) < 0) return close_with_error(fd);
    return fd;
}

int clinux_tcp_connect(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -errno;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
        return close_with_error(fd);
    return fd;
}

int clinux_tcp_port(int fd) {
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -errno;
    if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
    if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
    return -EAFNOSUPPORT;
}

void clinux_tcp_tune(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

void clinux_tcp_break(int fd) {
    struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}
