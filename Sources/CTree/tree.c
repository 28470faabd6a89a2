// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

static int32_t outcome(long result) { return result < 0 ? -errno : (int32_t)result; }

/// The bytes as a C string, or the empty string, by which nothing can be found or made.
static const char *text(const uint8_t *name, int32_t size) {
    return size > 0 && name[size - 1] == 0 ? (const char *)name : "";
}

static struct tree_status describe(int result, const struct stat *about) {
    if (result < 0) return (struct tree_status){.result = -errno};
    uint8_t kind = TREE_OTHER;
    if (S_ISREG(about->st_mode)) kind = TREE_FILE;
    if (S_ISDIR(about->st_mode)) kind = TREE_DIRECTORY;
    if (S_ISLNK(about->st_mode)) kind = TREE_LINK;
    return (struct tree_status){
        .result = 0,
        .kind = kind,
        .mode = about->st_mode & 07777,
        .owner = about->st_uid,
        .group = about->st_gid,
        .seconds = about->st_mtim.tv_sec,
        .nanoseconds = (uint32_t)about->st_mtim.tv_nsec,
        .size = (uint64_t)about->st_size,
        .device = about->st_dev,
    };
}

struct tree_status tree_status_at(
    int32_t directory, const uint8_t *name, int32_t size, int32_t follow) {
    struct stat about;
    int flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
    return describe(fstatat(directory, text(name, size), &about, flags), &about);
}

struct tree_status tree_status_of(int32_t fd) {
    struct stat about;
    return describe(fstat(fd, &about), &about);
}

int32_t tree_open_directory(int32_t directory, const uint8_t *name, int32_t size, int32_t follow) {
    int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (follow ? 0 : O_NOFOLLOW);
    return outcome(openat(directory, text(name, size), flags));
}

int32_t tree_open_file(int32_t directory, const uint8_t *name, int32_t size) {
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return outcome(openat(directory, text(name, size), flags));
}

int32_t tree_make_file(int32_t directory, const uint8_t *name, int32_t size) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    return outcome(openat(directory, text(name, size), flags, 0600));
}

int32_t tree_make_directory(int32_t directory, const uint8_t *name, int32_t size) {
    return outcome(mkdirat(directory, text(name, size), 0700));
}

/// The second of two strings that follow each other; null if there is but one.
static const char *second(const char *first, int32_t size) {
    size_t length = strlen(first) + 1;
    return length < (size_t)size ? first + length : 0;
}

int32_t tree_make_link(int32_t directory, const uint8_t *strings, int32_t size) {
    const char *name = text(strings, size);
    const char *target = second(name, size);
    return target ? outcome(symlinkat(target, directory, name)) : -ENOENT;
}

int32_t tree_make_hard_link(
    int32_t source, int32_t directory, const uint8_t *strings, int32_t size) {
    const char *old = text(strings, size);
    const char *name = second(old, size);
    return name ? outcome(linkat(source, old, directory, name, 0)) : -ENOENT;
}

int32_t tree_read_link(
    int32_t directory, const uint8_t *name, int32_t size, uint8_t *target, int32_t room) {
    return outcome(readlinkat(directory, text(name, size), (char *)target, (size_t)room));
}

int32_t tree_remove(int32_t directory, const uint8_t *name, int32_t size) {
    return outcome(unlinkat(directory, text(name, size), 0));
}

int32_t tree_read(int32_t fd, uint8_t *bytes, int32_t size, int32_t start, int32_t limit) {
    int32_t room = size - start;
    if (start < 0 || room < 0 || limit < 0) return -EINVAL;
    return outcome(read(fd, bytes + start, (size_t)(room < limit ? room : limit)));
}

int32_t tree_write(int32_t fd, const uint8_t *bytes, int32_t size, int32_t start) {
    if (start < 0 || start > size) return -EINVAL;
    return outcome(write(fd, bytes + start, (size_t)(size - start)));
}

int32_t tree_list(int32_t fd, uint8_t *bytes, int32_t size) {
    return outcome(syscall(SYS_getdents64, fd, bytes, (size_t)size));
}

int32_t tree_set_owner(int32_t fd, uint32_t owner, uint32_t group) {
    return outcome(fchown(fd, owner, group));
}

int32_t tree_set_mode(int32_t fd, uint16_t mode) { return outcome(fchmod(fd, mode & 07777)); }

/// The time of the last reading stays what it is.
static void times(struct timespec both[2], int64_t seconds, uint32_t nanoseconds) {
    both[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    both[1] = (struct timespec){.tv_sec = (time_t)seconds, .tv_nsec = (long)nanoseconds};
}

int32_t tree_set_time(int32_t fd, int64_t seconds, uint32_t nanoseconds) {
    struct timespec both[2];
    times(both, seconds, nanoseconds);
    return outcome(futimens(fd, both));
}

int32_t tree_set_link_owner(
    int32_t directory, const uint8_t *name, int32_t size, uint32_t owner, uint32_t group) {
    return outcome(fchownat(directory, text(name, size), owner, group, AT_SYMLINK_NOFOLLOW));
}

int32_t tree_set_link_time(
    int32_t directory, const uint8_t *name, int32_t size, int64_t seconds, uint32_t nanoseconds) {
    struct timespec both[2];
    times(both, seconds, nanoseconds);
    return outcome(utimensat(directory, text(name, size), both, AT_SYMLINK_NOFOLLOW));
}

int32_t tree_is_kernels_own(int32_t fd) {
    // linux/magic.h: proc, sysfs, cgroup, cgroup2, devpts, debugfs, tracefs, securityfs, bpf,
    // pstore, configfs, efivarfs, mqueue, binfmt_misc.
    static const uint32_t kinds[] = {
        0x9fa0, 0x62656572, 0x27e0eb, 0x63677270, 0x1cd1, 0x64626720, 0x74726163, 0x73636673,
        0xcafe4a11, 0x6165676c, 0x62656570, 0xde5e81e4, 0x19800202, 0x42494e4d,
    };
    struct statfs about;
    if (fstatfs(fd, &about) < 0) return 0;
    for (unsigned index = 0; index < sizeof kinds / sizeof kinds[0]; index++)
        if ((uint32_t)about.f_type == kinds[index]) return 1;
    return 0;
}

void tree_close(int32_t fd) { close(fd); }
