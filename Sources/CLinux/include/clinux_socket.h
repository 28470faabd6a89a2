// SPDX-License-Identifier: Apache-2.0
// Unix sockets and readiness, answering as the kernel does: the result, or the negated errno.
#pragma once

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int CLINUX_PATH_LIMIT = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

/// Fills `address`; the length that counts, or a negated errno. A leading '@' makes the name
/// abstract: no file, and forgotten with the socket.
static inline int clinux_socket_address(
    const char *path, size_t count, struct sockaddr_un *address) {
    if (count == 0 || count > (size_t)CLINUX_PATH_LIMIT) return -ENAMETOOLONG;
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, count);
    if (path[0] != '@') return sizeof *address;
    address->sun_path[0] = 0;
    return (int)(offsetof(struct sockaddr_un, sun_path) + count);
}
static inline int clinux_unix_socket(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}
/// The file gets the socket's own mode, less the umask.
static inline int clinux_unix_listen(int fd, const char *path, size_t count, int backlog) {
    struct sockaddr_un address;
    int result = clinux_socket_address(path, count, &address);
    if (result < 0) return result;
    if (fchmod(fd, 0600) < 0) return -errno;
    if (bind(fd, (const struct sockaddr *)&address, (socklen_t)result) < 0) return -errno;
    return listen(fd, backlog) < 0 ? -errno : 0;
}
static inline int clinux_unix_connect(int fd, const char *path, size_t count) {
    struct sockaddr_un address;
    int result = clinux_socket_address(path, count, &address);
    if (result < 0) return result;
    return connect(fd, (const struct sockaddr *)&address, (socklen_t)result) < 0 ? -errno : 0;
}
static inline int clinux_accept(int fd) {
    int result = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    return result < 0 ? -errno : result;
}
/// Whether the socket's own name is abstract.
static inline int clinux_is_abstract(int fd) {
    struct sockaddr_un address;
    socklen_t size = sizeof address;
    if (getsockname(fd, (struct sockaddr *)&address, &size) < 0) return -errno;
    return size > offsetof(struct sockaddr_un, sun_path) && address.sun_path[0] == 0;
}
/// Process and user at the other end. unix(7), SO_PEERCRED.
static inline int clinux_socket_peer(int fd, pid_t *process, uid_t *user) {
    struct clinux_credentials peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) return -errno;
    *process = peer.pid;
    *user = peer.uid;
    return 0;
}
static inline int clinux_socketpair(int ends[2]) {
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0 ? -errno
                                                                                       : 0;
}
/// As `clinux_socketpair`, for sockets that keep the bounds of messages.
static inline int clinux_message_pair(int ends[2]) {
    int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
    return socketpair(AF_UNIX, type, 0, ends) < 0 ? -errno : 0;
}
static inline long clinux_peek(int fd, void *buffer, size_t count) {
    long result = recv(fd, buffer, count, MSG_PEEK | MSG_DONTWAIT);
    return result < 0 ? -errno : result;
}
static inline long clinux_send(int fd, const void *buffer, size_t count) {
    long result = send(fd, buffer, count, MSG_NOSIGNAL | MSG_DONTWAIT);
    return result < 0 ? -errno : result;
}
static inline int clinux_shutdown(int fd, int reading) {
    return shutdown(fd, reading ? SHUT_RD : SHUT_WR) < 0 ? -errno : 0;
}
static inline int clinux_unlink(const char *path) { return unlink(path) < 0 ? -errno : 0; }
/// 1 if a write need not wait.
static inline int clinux_is_writable(int fd) {
    struct pollfd query = {.fd = fd, .events = POLLOUT};
    int result = poll(&query, 1, 0);
    return result < 0 ? -errno : result;
}
static inline void clinux_ignore_broken_pipe(void) { signal(SIGPIPE, SIG_IGN); }
/// The permission bits of a file.
static inline int clinux_file_mode(const char *path) {
    struct stat about;
    return lstat(path, &about) < 0 ? -errno : (int)(about.st_mode & 07777);
}
