// SPDX-License-Identifier: Apache-2.0
// System calls and constants that do not import as they are (macros, variadics, errno).
// Every wrapper answers as the kernel does: the result, or the negated errno.
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static inline long clinux_result(long result) { return result < 0 ? -errno : result; }

static inline int clinux_open(const char *path, int flags, unsigned mode) {
    return (int)clinux_result(open(path, flags, mode));
}
static inline int clinux_openat(int directory, const char *name, int flags, unsigned mode) {
    return (int)clinux_result(openat(directory, name, flags, mode));
}
extern const char __executable_start, etext;
/// Takes the program's own code out of this process's page tables. It stays in the page cache, and
/// each page comes back when it is executed.
static inline void clinux_unmap_code(void) {
    uintptr_t first = ((uintptr_t)&__executable_start + 4095) & ~(uintptr_t)4095;
    uintptr_t end = (uintptr_t)&etext & ~(uintptr_t)4095;
    if (end > first) madvise((void *)first, end - first, MADV_DONTNEED);
}

/// Keeps the calling thread on `cpu`, below 1024.
static inline int clinux_pin(int cpu) {
    unsigned long mask[1024 / (8 * sizeof(long))] = {0};
    mask[cpu / (8 * sizeof(long))] = 1UL << cpu % (8 * sizeof(long));
    return syscall(SYS_sched_setaffinity, 0, sizeof mask, mask) < 0 ? -errno : 0;
}
static inline int clinux_mkdir(const char *path, unsigned mode) {
    return (int)clinux_result(mkdir(path, mode));
}
/// Locks the open file, for itself or with others; EAGAIN at once if another has the lock. flock(2).
static inline int clinux_flock(int fd, int exclusive) {
    return (int)clinux_result(flock(fd, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB));
}
static inline int clinux_ioctl(int fd, unsigned long request, void *argument) {
    return (int)clinux_result(ioctl(fd, request, argument));
}
static inline int clinux_ioctl_value(int fd, unsigned long request, unsigned long argument) {
    return (int)clinux_result(ioctl(fd, request, argument));
}
static inline int clinux_fcntl(int fd, int command, long argument) {
    return (int)clinux_result(fcntl(fd, command, argument));
}
static inline long clinux_read(int fd, void *buffer, size_t count) {
    return clinux_result(read(fd, buffer, count));
}
static inline long clinux_write(int fd, const void *buffer, size_t count) {
    return clinux_result(write(fd, buffer, count));
}
static inline long clinux_readv(int fd, const struct iovec *slices, int count) {
    return clinux_result(readv(fd, slices, count));
}
static inline long clinux_writev(int fd, const struct iovec *slices, int count) {
    return clinux_result(writev(fd, slices, count));
}
static inline int clinux_close(int fd) { return (int)clinux_result(close(fd)); }
static inline int clinux_memfd_create(const char *name, unsigned flags) {
    return (int)clinux_result(memfd_create(name, flags));
}
static inline int clinux_ftruncate(int fd, int64_t size) {
    return (int)clinux_result(ftruncate(fd, size));
}
/// Gives `size` bytes of a file at `offset` back; they read as zeroes. fallocate(2).
static inline int clinux_punch_hole(int fd, int64_t offset, int64_t size) {
    return (int)clinux_result(syscall(
        SYS_fallocate, fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, size));
}
/// Bytes of memory or disk that a file takes, holes not counted.
static inline int64_t clinux_allocated_bytes(int fd) {
    struct stat status;
    return fstat(fd, &status) < 0 ? -errno : (int64_t)status.st_blocks * 512;
}
/// The address, or the negated errno (never a valid address) cast to one.
static inline uintptr_t clinux_mmap(size_t size, int protection, int flags, int fd, int64_t offset) {
    void *address = mmap(0, size, protection, flags, fd, offset);
    return address == MAP_FAILED ? (uintptr_t)-(intptr_t)errno : (uintptr_t)address;
}
static inline uintptr_t clinux_mmap_fixed(
    uintptr_t place, size_t size, int protection, int flags, int fd) {
    void *address = mmap((void *)place, size, protection, flags | MAP_FIXED, fd, 0);
    return address == MAP_FAILED ? (uintptr_t)-(intptr_t)errno : (uintptr_t)address;
}
static inline int clinux_epoll_create(void) { return (int)clinux_result(epoll_create1(EPOLL_CLOEXEC)); }
static inline int clinux_epoll_control(int epoll, int operation, int fd, uint32_t events, uint64_t token) {
    struct epoll_event event = {.events = events, .data = {.u64 = token}};
    return (int)clinux_result(epoll_ctl(epoll, operation, fd, &event));
}
static inline int clinux_epoll_wait(int epoll, struct epoll_event *events, int count, int milliseconds) {
    return (int)clinux_result(epoll_wait(epoll, events, count, milliseconds));
}
static inline uint64_t clinux_epoll_token(const struct epoll_event *event) { return event->data.u64; }
static inline int clinux_eventfd(unsigned value, int flags) {
    return (int)clinux_result(eventfd(value, flags));
}
static inline int clinux_timerfd(void) {
    return (int)clinux_result(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}
static inline int clinux_timerfd_set(int fd, int absolute, uint64_t first_ns, uint64_t period_ns) {
    struct itimerspec when = {
        .it_value = {.tv_sec = first_ns / 1000000000, .tv_nsec = first_ns % 1000000000},
        .it_interval = {.tv_sec = period_ns / 1000000000, .tv_nsec = period_ns % 1000000000},
    };
    return (int)clinux_result(timerfd_settime(fd, absolute ? TFD_TIMER_ABSTIME : 0, &when, 0));
}
static inline uint64_t clinux_clock(int clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}
/// Seconds that local time is ahead of UTC.
static inline long clinux_zone_offset(void) {
    time_t now = time((time_t *)0);
    struct tm local;
    return localtime_r(&now, &local) ? local.tm_gmtoff : 0;
}
static inline long clinux_random(void *buffer, size_t count) {
    return clinux_result(getrandom(buffer, count, 0));
}

#include <linux/futex.h>

/// Sleeps while `*word` is `expected`, at most until `deadline_ns` (CLOCK_MONOTONIC; all ones: for
/// ever). May wake early.
static inline int clinux_futex_wait(const uint32_t *word, uint32_t expected, uint64_t deadline_ns) {
    struct timespec deadline = {
        .tv_sec = (time_t)(deadline_ns / 1000000000), .tv_nsec = (long)(deadline_ns % 1000000000)};
    return (int)clinux_result(syscall(
        SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
        deadline_ns == UINT64_MAX ? (struct timespec *)0 : &deadline, (void *)0,
        FUTEX_BITSET_MATCH_ANY));
}
static inline int clinux_futex_wake(const uint32_t *word, int count) {
    return (int)clinux_result(
        syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, (void *)0, (void *)0, 0));
}
