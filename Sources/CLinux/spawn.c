// SPDX-License-Identifier: Apache-2.0
// Starting programs: what a child does between clone and exec, on the memory of its parent.
#define _GNU_SOURCE // clone
#include "clinux_jail.h"
#include "clinux_process.h"

#include <sched.h>

struct start {
    const struct clinux_child *child;
    /// Of the parent: its number, and what tells of its end also from inside a process namespace.
    pid_t parent;
    int parent_watch;
    uid_t user;
    gid_t group;
    int flags;
    volatile int failure;
};

/// Whether the parent has ended. Then nobody would ever send the signal of its death.
static int is_orphan(const struct start *start) {
    if (!(start->flags & CLONE_NEWPID)) return getppid() != start->parent;
    struct pollfd query = {.fd = start->parent_watch, .events = POLLIN};
    return poll(&query, 1, 0) != 0;
}

/// System calls only, on locals only. Answers an errno.
static int prepare(const struct start *start) {
    const struct clinux_child *child = start->child;
    if (child->dies_with_parent) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0) return errno;
        if (is_orphan(start)) return ESRCH;
    }
    if (start->flags & CLONE_NEWUSER) {
        int result = clinux_map_self(start->user, start->group);
        if (result < 0) return -result;
    }
    if (child->new_session && setsid() < 0) return errno;
    int count = child->descriptor_count, copies[16];
    if (count > 16) return EINVAL;
    // Two rounds, as a source may have a number that is a target of another.
    for (int i = 0; i < count; i++) {
        copies[i] = fcntl(child->descriptors[i], F_DUPFD_CLOEXEC, count);
        if (copies[i] < 0) return errno;
    }
    for (int i = 0; i < count; i++)
        if (dup2(copies[i], i) < 0) return errno;
    // CLOSE_RANGE_CLOEXEC; kernels before 5.11 refuse it, and every descriptor of ours has the flag.
    syscall(SYS_close_range, count, ~0U, 4);
    for (int signal = 1; signal < 65; signal++)
        if (signal != SIGKILL && signal != SIGSTOP) {
            struct sigaction action = {.sa_handler = SIG_DFL};
            sigaction(signal, &action, 0);
        }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, 0);
    execve(child->path, child->arguments, child->environment);
    return errno;
}

static int run(void *argument) {
    struct start *start = argument;
    start->failure = prepare(start);
    _exit(127);
}

/// Makes the child and waits, as vfork does, until it has become its program or has failed.
static pid_t make(struct start *start) {
    _Alignas(16) char stack[16 << 10];
    start->failure = 0;
    int flags = CLONE_VM | CLONE_VFORK | SIGCHLD | start->flags;
    pid_t made = clone(run, stack + sizeof stack, flags, start);
    int refused = made < 0 ? errno : start->failure;
    if (refused && made > 0)
        while (waitpid(made, 0, 0) < 0 && errno == EINTR) {}
    return refused ? -refused : made;
}

pid_t clinux_spawn(const struct clinux_child *child) {
    sigset_t all, before;
    sigfillset(&all);
    // No handler may run in the child while it shares our memory.
    pthread_sigmask(SIG_SETMASK, &all, &before);
    struct start start = {
        .child = child, .parent = getpid(), .parent_watch = -1, .user = geteuid(), .group = getegid()};
    pid_t made = -1;
    if (child->isolated) {
        start.parent_watch = clinux_pidfd(start.parent);
        start.flags = CLONE_NEWPID | (start.user == 0 ? 0 : CLONE_NEWUSER);
        if (start.parent_watch >= 0) made = make(&start);
        if (start.parent_watch >= 0) close(start.parent_watch);
    }
    // A host that forbids namespaces still runs programs.
    if (made < 0) {
        start.flags = 0;
        made = make(&start);
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
    return made;
}
