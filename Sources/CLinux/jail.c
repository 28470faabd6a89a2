// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // O_PATH, AT_EMPTY_PATH, setresuid
#include "clinux_jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// sys/mount.h and linux/mount.h do not go together.
int mount(const char *source, const char *target, const char *type, unsigned long flags, const void *data);
int umount2(const char *target, int flags);
static const unsigned long recursive_private = 1UL << 18 | 1UL << 14; // MS_PRIVATE | MS_REC
static const int detach = 2;                                          // MNT_DETACH

static int answer(long result) { return result < 0 ? -errno : (int)result; }

int clinux_open_at(int directory, const char *name, int flags, unsigned mode) {
    return answer(openat(directory, name, flags | O_NOFOLLOW | O_CLOEXEC, mode));
}
int clinux_open_folder(const char *path) {
    return answer(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}
int clinux_open_folder_at(int directory, const char *name) {
    return answer(openat(directory, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}
int clinux_make_folder(int directory, const char *name, unsigned mode) {
    return answer(mkdirat(directory, name, mode));
}
int clinux_make_file(int directory, const char *name, unsigned mode) {
    return answer(
        openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
}
int clinux_make_device(int directory, const char *name, unsigned mode, unsigned major, unsigned minor) {
    return answer(mknodat(directory, name, S_IFCHR | mode, makedev(major, minor)));
}
int clinux_give(int directory, const char *name, uid_t user, gid_t group) {
    int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    return answer(fchownat(directory, name, user, group, flags));
}
int clinux_remove(int directory, const char *name, int is_folder) {
    return answer(unlinkat(directory, name, is_folder ? AT_REMOVEDIR : 0));
}
int clinux_file_facts(int directory, const char *name, struct clinux_file_facts *facts) {
    struct stat about;
    int flags = *name ? AT_SYMLINK_NOFOLLOW : AT_EMPTY_PATH;
    if (fstatat(directory, name, &about, flags) < 0) return -errno;
    facts->mode = about.st_mode;
    facts->user = about.st_uid;
    facts->links = (unsigned)about.st_nlink;
    return 0;
}

int clinux_own_mounts(void) {
    if (unshare(CLONE_NEWNS) < 0) return -errno;
    return answer(mount(0, "/", 0, recursive_private, 0));
}

/// A mount of what `descriptor` stands for that is nowhere yet.
static int loose_mount(int descriptor) {
    return (int)syscall(
        SYS_open_tree, descriptor, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

/// Shows `tree`, read-only, at `name` in `directory`.
static int show(int tree, int directory, const char *name) {
    struct mount_attr attributes = {
        .attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    int target = openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (target < 0
        || syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0
        || syscall(
               SYS_move_mount, tree, "", target, "",
               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
            < 0)
        return -errno;
    close(target);
    return 0;
}

int clinux_pivot(int directory, int file, const char *name) {
    // By descriptors only: whoever swaps a name in between swaps nothing of ours.
    int root = loose_mount(directory), program = loose_mount(file);
    if (root < 0 || program < 0
        || syscall(
               SYS_move_mount, root, "", directory, "",
               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH)
            < 0)
        return -errno;
    int failure = show(program, root, name);
    if (failure < 0) return failure;
    // The new root and, on top of it, the old one, which then goes.
    if (fchdir(root) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", detach) < 0
        || chdir("/") < 0)
        return -errno;
    close(root);
    close(program);
    return 0;
}

int clinux_enter_network(int descriptor) { return answer(setns(descriptor, CLONE_NEWNET)); }

pid_t clinux_split(int new_pids) {
    return answer(syscall(SYS_clone, SIGCHLD | (new_pids ? CLONE_NEWPID : 0), 0, 0, 0, 0));
}
int clinux_new_session(void) { return answer(setsid()); }

int clinux_become(uid_t user, gid_t group) {
    if (setgroups(0, 0) < 0 || setresgid(group, group, group) < 0) return -errno;
    return answer(setresuid(user, user, user));
}
static int limit(int resource, uint64_t value) {
    struct rlimit both = {.rlim_cur = value, .rlim_max = value};
    return answer(setrlimit((__rlimit_resource_t)resource, &both));
}
int clinux_limit_files(uint64_t count) { return limit(RLIMIT_NOFILE, count); }
int clinux_limit_file_size(uint64_t bytes) { return limit(RLIMIT_FSIZE, bytes); }

int clinux_execute(const char *path, char *const *arguments) {
    char *const none[] = {0};
    execve(path, arguments, none);
    return -errno;
}
int clinux_replace_descriptor(int source, int target) { return answer(dup2(source, target)); }
