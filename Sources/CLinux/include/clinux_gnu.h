// SPDX-License-Identifier: Apache-2.0
// What the C library declares only for _GNU_SOURCE.
//
// The macro itself must stay away: Swift's Glibc module is built without it, and the same headers
// read both ways give types (fd_set) that do not match when a file imports both modules.
#pragma once

#include <linux/memfd.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags);
int memfd_create(const char *name, unsigned flags);
int pipe2(int ends[2], int flags);
int pthread_getname_np(pthread_t thread, char *name, size_t count);
int pthread_setname_np(pthread_t thread, const char *name);

/// Who is at the other end of a Unix socket (SO_PEERCRED).
struct clinux_credentials {
    pid_t pid;
    uid_t uid;
    gid_t gid;
};
