// SPDX-License-Identifier: Apache-2.0
// Directories by descriptor, namespaces and what else the jailer asks of the kernel. Each answers as
// the kernel does: the result, or the negated errno. Bodies are in jail.c.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// Opens `name` in `directory` without following a link there.
int clinux_open_at(int directory, const char *name, int flags, unsigned mode);
/// A directory to look names up in; links in `path` are followed.
int clinux_open_folder(const char *path);
/// As above, for one name in `directory`, and a link there is an error.
int clinux_open_folder_at(int directory, const char *name);
int clinux_make_folder(int directory, const char *name, unsigned mode);
/// A new, empty file, open for writing.
int clinux_make_file(int directory, const char *name, unsigned mode);
/// A new character device.
int clinux_make_device(int directory, const char *name, unsigned mode, unsigned major, unsigned minor);
/// Gives what was made under `name` to a user; a link there is changed itself.
int clinux_give(int directory, const char *name, uid_t user, gid_t group);
int clinux_remove(int directory, const char *name, int is_folder);

struct clinux_file_facts {
    /// As st_mode has it.
    unsigned mode;
    uid_t user;
    unsigned links;
};
/// What `name` is in `directory`, links not followed; with an empty name `directory` itself.
int clinux_file_facts(int directory, const char *name, struct clinux_file_facts *facts);

/// A mount namespace of our own, from which nothing comes back to the host's.
int clinux_own_mounts(void);
/// Makes `directory` the root, and the working directory, of a process with mounts of its own. The old
/// root is gone; of it only `file` is left, which is seen, read-only, at `name` in the new root.
int clinux_pivot(int directory, int file, const char *name);
/// Moves into the network namespace that `descriptor` stands for.
int clinux_enter_network(int descriptor);
/// A copy of this process, in a new process namespace if asked for: 0 in the child.
pid_t clinux_split(int new_pids);
int clinux_new_session(void);
/// Gives up all groups, then the group, then the user.
int clinux_become(uid_t user, gid_t group);
int clinux_limit_files(uint64_t count);
int clinux_limit_file_size(uint64_t bytes);
int clinux_execute(const char *path, char *const *arguments);
int clinux_replace_descriptor(int source, int target);
