// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "request.h"

#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>

int32_t guest_events(void) { return outcome(epoll_create1(EPOLL_CLOEXEC)); }

int32_t guest_watch(int32_t events_fd, int32_t fd, uint32_t events, int32_t known, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    if (events == 0) return known ? outcome(epoll_ctl(events_fd, EPOLL_CTL_DEL, fd, &event)) : 0;
    return outcome(epoll_ctl(events_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event));
}

struct guest_event guest_wait(int32_t events_fd, int32_t timeout) {
    struct epoll_event event = {0};
    int32_t result = outcome(epoll_wait(events_fd, &event, 1, timeout));
    return (struct guest_event){result, event.events, event.data.u64};
}

int32_t guest_child_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return outcome(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

void guest_take_child_signals(int32_t fd) {
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) > 0) continue;
}

uint64_t guest_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}
