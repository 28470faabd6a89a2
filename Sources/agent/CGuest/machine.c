// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "request.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

/// Swift's hash seeds come from here; musl has no such function.
void arc4random_buf(void *bytes, size_t size) {
    while (getrandom(bytes, size, 0) < 0 && errno == EINTR) continue;
}

int32_t guest_mount(const uint8_t *strings, int32_t size, uint32_t flags) {
    (void)size;
    const char *source = text(strings);
    const char *target = after(source);
    const char *type = after(target);
    mkdir(target, 0755);
    return outcome(mount(source, target, type, flags, after(type)));
}

int32_t guest_enter_root(const uint8_t *strings, int32_t size) {
    (void)size;
    // The initramfs is no mount that could be exchanged for another; it stays below.
    if (chdir(text(strings)) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0) return -errno;
    if (chroot(".") < 0) return -errno;
    return outcome(chdir("/"));
}

int32_t guest_seal_root(void) {
    return outcome(mount(NULL, "/", NULL, MS_REMOUNT | MS_RDONLY, NULL));
}

void guest_signal_all(int32_t signal) { kill(-1, signal); }

void guest_await_all(int32_t milliseconds) {
    uint64_t deadline = guest_now() + (uint64_t)milliseconds;
    struct timespec moment = {.tv_nsec = 2000000};
    while (waitpid(-1, NULL, WNOHANG) >= 0 && guest_now() < deadline) nanosleep(&moment, NULL);
}

int32_t guest_open(const uint8_t *strings, int32_t size, int32_t writing) {
    (void)size;
    return outcome(open(text(strings), (writing ? O_RDWR : O_RDONLY) | O_NOCTTY | O_CLOEXEC));
}

int32_t guest_symlink(const uint8_t *strings, int32_t size) {
    (void)size;
    return outcome(symlink(text(strings), after(text(strings))));
}

void guest_link_all(int32_t directory, const uint8_t *strings, int32_t size) {
    const char *end = text(strings) + size;
    int file = openat(directory, text(strings), O_PATH | O_CLOEXEC);
    if (file < 0) return;
    for (const char *name = after(text(strings)); name < end; name = after(name))
        linkat(file, "", directory, name, AT_EMPTY_PATH);
    close(file);
}

int32_t guest_load_module(int32_t fd) { return outcome(syscall(SYS_finit_module, fd, "", 0)); }

int32_t guest_set_host_name(const uint8_t *name, int32_t size) {
    return outcome(sethostname((const char *)name, (size_t)size));
}

int32_t guest_raise_file_limit(uint64_t soft, uint64_t hard) {
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    return outcome(setrlimit(RLIMIT_NOFILE, &limit));
}

int32_t guest_set_clock(uint64_t nanoseconds) {
    struct timespec time = {
        .tv_sec = (time_t)(nanoseconds / 1000000000), .tv_nsec = (long)(nanoseconds % 1000000000)};
    return outcome(clock_settime(CLOCK_REALTIME, &time));
}

int32_t guest_poke(uint64_t address, uint8_t value) {
    int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
    if (fd < 0) return -errno;
    volatile uint8_t *page =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)(address & ~4095ull));
    if (page == MAP_FAILED) return close_with_error(fd);
    page[address & 4095] = value;
    munmap((void *)page, 4096);
    close(fd);
    return 0;
}

void guest_sync(void) { sync(); }

int32_t guest_restart(void) { return outcome(reboot(RB_AUTOBOOT)); }

void guest_exit(int32_t status) { _exit(status); }
