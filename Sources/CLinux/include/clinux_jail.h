// SPDX-License-Identifier: Apache-2.0
// Directories that are held open, mounts, namespaces, users and limits. Bodies are in jail.c.
//
// Everything below a held directory is found without following a link, whatever lies there.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// What fstat(2) tells of a file.
struct clinux_status {
    uint32_t type, mode, user, group, major, minor;
    uint64_t links, device, inode, size;
    /// When its contents last changed, in nanoseconds.
    int64_t changed;
};

/// For types of files and bits of modes, as inode(7) has them.
enum {
    CLINUX_DIRECTORY = 0040000, CLINUX_REGULAR = 0100000, CLINUX_LINK = 0120000,
    CLINUX_CHARACTER = 0020000, CLINUX_PIPE = 0010000,
};

/// Flags of clone(2), and O_PATH.
extern const int CLINUX_NEW_MOUNT, CLINUX_NEW_NETWORK, CLINUX_NEW_IPC, CLINUX_NEW_UTS,
    CLINUX_NEW_PROCESS, CLINUX_NEW_USER, CLINUX_PATH_ONLY;

int clinux_status_of(int fd, struct clinux_status *status);
/// As `clinux_status_of` for the entry `name` itself, if it is a link too.
int clinux_status_at(int directory, const char *name, struct clinux_status *status);

/// Opens what is below `directory`, without links and without leaving it. openat2(2)
int clinux_open_beneath(int directory, const char *name, int flags);
/// Makes an ordinary file that was not there, for writing.
int clinux_create_at(int directory, const char *name, unsigned mode);
int clinux_mkdir_at(int directory, const char *name, unsigned mode);
/// Makes a character device that was not there, for its owner alone.
int clinux_mknod_at(int directory, const char *name, unsigned major, unsigned minor);
/// Gives an entry another name, which nothing must have.
int clinux_move(int directory, const char *name, int target, const char *other);
/// Removes a name, never what a link points to.
int clinux_unlink_at(int directory, const char *name, int is_directory);
int clinux_enter(int directory);
/// Also for descriptors of O_PATH.
int clinux_chown_fd(int fd, uint32_t user, uint32_t group);
int clinux_chmod_fd(int fd, unsigned mode);
/// The path without links, in `buffer` of PATH_MAX bytes.
int clinux_real_path(const char *path, char *buffer);
/// How much of a program's file the kernel looks at when it executes it: symbols and the like lie behind.
int64_t clinux_program_size(int fd);
/// Copies the first `count` bytes of a file to the empty file `to`; all of it where the two can share
/// their blocks on the disk.
int clinux_copy(int from, int to, int64_t count);

/// unshare(2), setns(2).
int clinux_unshare(int flags);
int clinux_join(int fd, int kind);
/// Shows the file `source` at `target` too, which is a file as well.
int clinux_bind(const char *source, const char *target);
/// Mounts and unmounts of this namespace stay in it; those of the host still come in if `receives`.
int clinux_detach_mounts(int receives);
/// Makes the working directory, with what is mounted below it, the root. In a mount namespace of
/// one's own.
int clinux_pivot_here(void);
/// A new and empty file system for a few directories, which nobody has mounted yet.
int clinux_empty_root(void);
/// Makes `root` of `clinux_empty_root` the root and forgets all other mounts.
int clinux_pivot_into(int root);
/// The tree of mounts at `path`, to be put elsewhere.
int clinux_clone_tree(const char *path);
int clinux_place_tree(int tree, const char *path);
/// Nothing can be made in the root any more.
int clinux_seal_root(void);
/// In a user namespace of one's own: this user and group stay what they are, others are nobody.
int clinux_map_self(uint32_t user, uint32_t group);

/// As fork(2): 0 in the child.
pid_t clinux_fork(void);
int clinux_new_session(void);
int clinux_is_session_leader(void);
int clinux_replace(int fd, int target);
/// Ends the process at once, without what it does at exit.
void clinux_end(int status) __attribute__((noreturn));

/// This user and group and no other groups. Only `clinux_regain` leads back, until the next exec.
int clinux_become(uint32_t user, uint32_t group);
int clinux_regain(void);
/// No capability that this process does not have now, ever.
int clinux_close_bounds(void);
int clinux_set_limit(int resource, uint64_t value);
/// RLIMIT_FSIZE and RLIMIT_NOFILE, for `clinux_set_limit`.
extern const int clinux_limit_file_size, clinux_limit_open_files;

/// Replaces this program; the environment is empty. Answers only what went wrong.
int clinux_exec(const char *path, char *const *arguments);
