// SPDX-License-Identifier: Apache-2.0
// Questions to the running kernel. Each answers 0 or more, or the negated errno of the refusal.
#pragma once

#include "clinux_system.h"
#include <dirent.h>
#include <linux/landlock.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

static inline const char *clinux_entry_name(const struct dirent *entry) { return entry->d_name; }

/// Version of Landlock's interface.
static inline int clinux_landlock_version(void) {
    return (int)clinux_result(
        syscall(SYS_landlock_create_ruleset, 0, 0, LANDLOCK_CREATE_RULESET_VERSION));
}
/// By the system call, or by the device that gives the same to whoever may open it.
static inline int clinux_probe_userfaultfd(void) {
    int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    int refused = errno;
    if (fd < 0) fd = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
    if (fd < 0) return -refused;
    close(fd);
    return 0;
}
static inline int clinux_probe_io_uring(void) {
    // struct io_uring_params is 120 bytes; all zero is a plain ring.
    uint32_t parameters[30] = {0};
    int fd = (int)syscall(SYS_io_uring_setup, 2, parameters);
    if (fd < 0) return -errno;
    close(fd);
    return 0;
}
static inline int clinux_probe_memfd(void) {
    int fd = memfd_create("probe", MFD_CLOEXEC);
    if (fd < 0) return -errno;
    close(fd);
    return 0;
}
static inline int clinux_probe_seccomp(void) {
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return (int)clinux_result(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
}
/// Whether a child of ours may have namespaces of its own, without root.
__attribute__((noinline, unused)) static int clinux_probe_namespaces(void) {
    pid_t made = fork();
    if (made < 0) return -errno;
    if (made == 0) {
        int flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWIPC
            | CLONE_NEWUTS;
        _exit(syscall(SYS_unshare, flags) == 0 ? 0 : errno & 0x7f);
    }
    int status = 0;
    while (waitpid(made, &status, 0) < 0)
        if (errno != EINTR) return -errno;
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EPERM;
}

struct clinux_limit {
    uint64_t soft, hard;
};
static inline void clinux_file_limit(struct clinux_limit *limit) {
    struct rlimit now = {0, 0};
    getrlimit(RLIMIT_NOFILE, &now);
    limit->soft = now.rlim_cur;
    limit->hard = now.rlim_max;
}
