// SPDX-License-Identifier: Apache-2.0
// Files as disks: positions, holes, synchronization; and rings of requests, io_uring(7).
#pragma once

#include "clinux_gnu.h"
#include "clinux_system.h"
#include <linux/io_uring.h>
#include <string.h>
#include <sys/sendfile.h>

// _GNU_SOURCE stays away (clinux_gnu.h).
int fallocate(int fd, int mode, off_t offset, off_t count);
ssize_t preadv(int fd, const struct iovec *slices, int count, off_t offset);
ssize_t pwritev(int fd, const struct iovec *slices, int count, off_t offset);

static inline long clinux_preadv(int fd, const struct iovec *slices, int count, int64_t offset) {
    return clinux_result(preadv(fd, slices, count, offset));
}
static inline long clinux_pwritev(int fd, const struct iovec *slices, int count, int64_t offset) {
    return clinux_result(pwritev(fd, slices, count, offset));
}
static inline long clinux_pread(int fd, void *buffer, size_t count, int64_t offset) {
    return clinux_result(pread(fd, buffer, count, offset));
}
static inline long clinux_pwrite(int fd, const void *buffer, size_t count, int64_t offset) {
    return clinux_result(pwrite(fd, buffer, count, offset));
}
/// Sets where write(2) and sendfile(2) go on.
static inline int64_t clinux_seek(int fd, int64_t offset) {
    return clinux_result(lseek(fd, offset, SEEK_SET));
}
static inline long clinux_sendfile(int to, int from, int64_t offset, size_t count) {
    off_t position = offset;
    return clinux_result(sendfile(to, from, &position, count));
}
/// Bytes that the file system keeps for a file.
static inline int64_t clinux_allocated(int fd) {
    struct stat status;
    return fstat(fd, &status) < 0 ? -errno : (int64_t)status.st_blocks * 512;
}
static inline int clinux_fdatasync(int fd) { return (int)clinux_result(fdatasync(fd)); }

/// Modes of fallocate(2) that leave the size as it is.
enum { CLINUX_PUNCH_HOLE = 0x02 | 0x01, CLINUX_ZERO_RANGE = 0x10 | 0x01 };

static inline int clinux_fallocate(int fd, int mode, int64_t offset, int64_t count) {
    return (int)clinux_result(fallocate(fd, mode, offset, count));
}

/// Whether `path` leads to a regular file or a block device.
static inline int clinux_is_disk(const char *path) {
    struct stat status;
    return stat(path, &status) == 0 && (S_ISREG(status.st_mode) || S_ISBLK(status.st_mode));
}

/// Bytes of a regular file or block device; -EISDIR or -EINVAL for anything else.
static inline int64_t clinux_disk_size(int fd) {
    struct stat status;
    if (fstat(fd, &status) < 0) return -errno;
    if (S_ISREG(status.st_mode)) return status.st_size;
    if (S_ISDIR(status.st_mode)) return -EISDIR;
    if (!S_ISBLK(status.st_mode)) return -EINVAL;
    // By a request of its own, too; but once the guest runs no filter and no Landlock allows that.
    return clinux_result(lseek(fd, 0, SEEK_END));
}

/// A ring of so many requests; `parameters` says where its parts lie.
static inline int clinux_uring_setup(unsigned entries, struct io_uring_params *parameters) {
    return (int)clinux_result(syscall(SYS_io_uring_setup, entries, parameters));
}
/// Lets a ring that was made disabled carry out these operations and no others, for ever, and enables
/// it. Without this a ring is a way around every list of system calls.
static inline int clinux_uring_restrict(int ring, const uint8_t *operations, unsigned count) {
    struct io_uring_restriction allowed[16];
    if (count > 16) return -EINVAL;
    memset(allowed, 0, sizeof allowed);
    for (unsigned index = 0; index < count; index++) {
        allowed[index].opcode = IORING_RESTRICTION_SQE_OP;
        allowed[index].sqe_op = operations[index];
    }
    long result = syscall(
        SYS_io_uring_register, ring, IORING_REGISTER_RESTRICTIONS, allowed, count);
    if (result < 0) return -errno;
    return (int)clinux_result(
        syscall(SYS_io_uring_register, ring, IORING_REGISTER_ENABLE_RINGS, (void *)0, 0));
}
static inline int clinux_uring_enter(int ring, unsigned submitted, unsigned wanted) {
    unsigned flags = wanted ? IORING_ENTER_GETEVENTS : 0;
    return (int)clinux_result(
        syscall(SYS_io_uring_enter, ring, submitted, wanted, flags, (void *)0, (size_t)0));
}

/// A ring that does nothing yet, and flags that save interrupts of the submitting thread; older
/// kernels refuse those.
enum {
    CLINUX_URING_DISABLED = IORING_SETUP_R_DISABLED,
    CLINUX_URING_FLAGS = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN
};
/// What is relied on: one mapping for both rings, no lost completion, arguments read at submission.
enum {
    CLINUX_URING_FEATURES = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_SUBMIT_STABLE
};

static const int64_t CLINUX_URING_RINGS = IORING_OFF_SQ_RING;
static const int64_t CLINUX_URING_ENTRIES = IORING_OFF_SQES;

/// One entry for the kernel; `address`, `count` and `position` as the operation has them.
static inline __attribute__((always_inline)) void clinux_uring_fill(
    void *entry, uint8_t operation, int fd, uint64_t position, uint64_t address, uint32_t count,
    uint32_t flags, uint64_t token) {
    struct io_uring_sqe *request = (struct io_uring_sqe *)entry;
    memset(request, 0, sizeof *request);
    request->opcode = operation;
    request->fd = fd;
    request->off = position;
    request->addr = address;
    request->len = count;
    request->rw_flags = flags;
    request->user_data = token;
}
