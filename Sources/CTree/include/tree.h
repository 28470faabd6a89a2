// SPDX-License-Identifier: Apache-2.0
//
// What copying a tree of files asks of Linux, on the host and in the guest alike. Each function is
// one request, or the few that belong together, without a decision of its own; a negative result
// is a negated errno. Names end with a zero, which their size counts.
//
// A name with `directory` is looked up there and its last part is never followed if it is a
// symbolic link, unless a function says so.
#pragma once

#include <stdint.h>

/// In place of a directory: names are paths from the process's own.
static const int32_t TREE_HERE = -100;

static const uint8_t TREE_FILE = 1;
static const uint8_t TREE_DIRECTORY = 2;
static const uint8_t TREE_LINK = 3;
/// A device, a FIFO or a socket.
static const uint8_t TREE_OTHER = 4;

struct tree_status {
    int32_t result;
    uint8_t kind;
    uint16_t mode;
    uint32_t owner;
    uint32_t group;
    uint32_t nanoseconds;
    int64_t seconds;
    uint64_t size;
    uint64_t device;
};

/// What a name stands for. `follow`: what a symbolic link leads to.
struct tree_status tree_status_at(
    int32_t directory, const uint8_t *name, int32_t size, int32_t follow);

struct tree_status tree_status_of(int32_t fd);

/// Opens a directory to read it. `follow`: a symbolic link is followed to it.
int32_t tree_open_directory(
    int32_t directory, const uint8_t *name, int32_t size, int32_t follow);

/// Opens a file to read it; never waits for the other end of a FIFO.
int32_t tree_open_file(int32_t directory, const uint8_t *name, int32_t size);

/// Makes a file and opens it to write it; -EEXIST if there is anything by that name.
int32_t tree_make_file(int32_t directory, const uint8_t *name, int32_t size);

/// Makes a directory that only its owner may enter.
int32_t tree_make_directory(int32_t directory, const uint8_t *name, int32_t size);

/// `strings`: the new link's name, what it leads to.
int32_t tree_make_link(int32_t directory, const uint8_t *strings, int32_t size);

/// Gives what has a name in `source` one more in `directory`. `strings`: that name, the new one.
int32_t tree_make_hard_link(
    int32_t source, int32_t directory, const uint8_t *strings, int32_t size);

/// Puts what a link leads to into `target`; how many bytes, without a zero.
int32_t tree_read_link(
    int32_t directory, const uint8_t *name, int32_t size,
    uint8_t *target, int32_t room);

/// Removes whatever has that name, a directory apart.
int32_t tree_remove(int32_t directory, const uint8_t *name, int32_t size);

/// Reads at most `limit` bytes to `bytes[start]` and on, never past `size`.
int32_t tree_read(
    int32_t fd, uint8_t *bytes, int32_t size, int32_t start, int32_t limit);

/// Writes from `bytes[start]` on.
int32_t tree_write(int32_t fd, const uint8_t *bytes, int32_t size, int32_t start);

/// Puts records of a directory into `bytes`. getdents64(2): inode (8), place (8), length of the
/// record (2), type (1), name with its zero.
int32_t tree_list(int32_t fd, uint8_t *bytes, int32_t size);

int32_t tree_set_owner(int32_t fd, uint32_t owner, uint32_t group);
int32_t tree_set_mode(int32_t fd, uint16_t mode);
int32_t tree_set_time(int32_t fd, int64_t seconds, uint32_t nanoseconds);

int32_t tree_set_link_owner(
    int32_t directory, const uint8_t *name, int32_t size, uint32_t owner,
    uint32_t group);
int32_t tree_set_link_time(
    int32_t directory, const uint8_t *name, int32_t size, int64_t seconds,
    uint32_t nanoseconds);

/// 1 if the directory's file system is one in which the kernel shows itself, such as proc.
int32_t tree_is_kernels_own(int32_t fd);

void tree_close(int32_t fd);
