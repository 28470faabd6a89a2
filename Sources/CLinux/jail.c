// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE // AT_EMPTY_PATH, O_PATH, setresuid, unshare
#include "clinux_jail.h"
#include "clinux_system.h"

#include <elf.h>
#include <grp.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/sysmacros.h>

const int CLINUX_NEW_MOUNT = CLONE_NEWNS, CLINUX_NEW_NETWORK = CLONE_NEWNET,
          CLINUX_NEW_IPC = CLONE_NEWIPC, CLINUX_NEW_UTS = CLONE_NEWUTS,
          CLINUX_NEW_PROCESS = CLONE_NEWPID, CLINUX_NEW_USER = CLONE_NEWUSER,
          CLINUX_PATH_ONLY = O_PATH;

static int fill(const struct stat *about, struct clinux_status *status) {
    *status = (struct clinux_status){
        .type = about->st_mode & S_IFMT,
        .mode = about->st_mode & 07777,
        .user = about->st_uid,
        .group = about->st_gid,
        .major = major(about->st_rdev),
        .minor = minor(about->st_rdev),
        .links = about->st_nlink,
        .device = about->st_dev,
        .inode = about->st_ino,
        .size = (uint64_t)about->st_size,
        .changed = (int64_t)about->st_mtim.tv_sec * 1000000000 + about->st_mtim.tv_nsec,
    };
    return 0;
}

int clinux_status_of(int fd, struct clinux_status *status) {
    struct stat about;
    return fstat(fd, &about) < 0 ? -errno : fill(&about, status);
}

int clinux_status_at(int directory, const char *name, struct clinux_status *status) {
    struct stat about;
    return fstatat(directory, name, &about, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : fill(&about, status);
}

int clinux_open_beneath(int directory, const char *name, int flags) {
    struct open_how how = {
        .flags = (uint64_t)(flags | O_NOFOLLOW | O_CLOEXEC),
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
    };
    return (int)clinux_result(syscall(SYS_openat2, directory, name, &how, sizeof how));
}

int clinux_create_at(int directory, const char *name, unsigned mode) {
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
    return (int)clinux_result(openat(directory, name, flags, mode));
}

int clinux_mkdir_at(int directory, const char *name, unsigned mode) {
    return (int)clinux_result(mkdirat(directory, name, mode));
}

int clinux_mknod_at(int directory, const char *name, unsigned major, unsigned minor) {
    return (int)clinux_result(mknodat(directory, name, S_IFCHR | 0600, makedev(major, minor)));
}

int clinux_move(int directory, const char *name, int target, const char *other) {
    // RENAME_NOREPLACE
    return (int)clinux_result(syscall(SYS_renameat2, directory, name, target, other, 1));
}

int clinux_unlink_at(int directory, const char *name, int is_directory) {
    return (int)clinux_result(unlinkat(directory, name, is_directory ? AT_REMOVEDIR : 0));
}

int clinux_enter(int directory) { return (int)clinux_result(fchdir(directory)); }

int clinux_chown_fd(int fd, uint32_t user, uint32_t group) {
    return (int)clinux_result(fchownat(fd, "", user, group, AT_EMPTY_PATH));
}

int clinux_chmod_fd(int fd, unsigned mode) { return (int)clinux_result(fchmod(fd, mode)); }

int clinux_real_path(const char *path, char *buffer) { return realpath(path, buffer) ? 0 : -errno; }

int64_t clinux_program_size(int fd) {
    struct stat about;
    if (fstat(fd, &about) < 0) return -errno;
    Elf64_Ehdr header;
    if (pread(fd, &header, sizeof header, 0) != sizeof header
        || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64
        || header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum > 64)
        return about.st_size;
    Elf64_Phdr parts[64];
    size_t size = header.e_phnum * sizeof *parts;
    if (pread(fd, parts, size, (off_t)header.e_phoff) != (ssize_t)size) return about.st_size;
    uint64_t end = header.e_phoff + size;
    for (int i = 0; i < header.e_phnum; i++) {
        uint64_t last = parts[i].p_offset + parts[i].p_filesz;
        if (last < parts[i].p_offset) return about.st_size;
        if (last > end) end = last;
    }
    return end < (uint64_t)about.st_size ? (int64_t)end : about.st_size;
}

/// Writes all of it at the end of what has been written.
static int write_all(int fd, const char *bytes, int64_t count) {
    while (count > 0) {
        ssize_t written = write(fd, bytes, (size_t)count);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return -errno;
        bytes += written;
        count -= written;
    }
    return 0;
}

int clinux_copy(int from, int to, int64_t count) {
    if (ioctl(to, FICLONE, from) == 0) return 0;
    // With its blocks known beforehand ext4 writes in half of the time.
    syscall(SYS_fallocate, to, 0, (off_t)0, (off_t)count);
    void *bytes = mmap(0, (size_t)count, PROT_READ, MAP_PRIVATE | MAP_POPULATE, from, 0);
    if (bytes == MAP_FAILED) return -errno;
    int result = write_all(to, bytes, count);
    munmap(bytes, (size_t)count);
    return result;
}

int clinux_unshare(int flags) { return (int)clinux_result(unshare(flags)); }
int clinux_join(int fd, int kind) { return (int)clinux_result(setns(fd, kind)); }

int clinux_bind(const char *source, const char *target) {
    return (int)clinux_result(mount(source, target, 0, MS_BIND, 0));
}

int clinux_detach_mounts(int receives) {
    unsigned long kind = receives ? MS_SLAVE : MS_PRIVATE;
    return (int)clinux_result(mount(0, "/", 0, kind | MS_REC, 0));
}

/// The old root lies on top of the new one and is taken away.
static int pivot(void) {
    if (syscall(SYS_pivot_root, ".", ".") < 0) return -errno;
    if (umount2(".", MNT_DETACH) < 0) return -errno;
    return chdir("/") < 0 ? -errno : 0;
}

int clinux_pivot_here(void) {
    unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    int tree = (int)syscall(SYS_open_tree, AT_FDCWD, ".", how);
    if (tree < 0) return -errno;
    int result = syscall(SYS_move_mount, tree, "", AT_FDCWD, ".", MOVE_MOUNT_F_EMPTY_PATH) < 0
            || fchdir(tree) < 0
        ? -errno
        : pivot();
    close(tree);
    return result;
}

int clinux_empty_root(void) {
    int context = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (context < 0) return -errno;
    int root = -1;
    // Room for the directories that lead to a socket, and no more.
    if (syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "size", "4096", 0) == 0
        && syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "nr_inodes", "32", 0) == 0
        && syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, "mode", "0755", 0) == 0
        && syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0) == 0) {
        unsigned attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
        root = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
    }
    int result = root < 0 ? -errno : root;
    close(context);
    return result;
}

int clinux_pivot_into(int root) {
    if (syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0
        || fchdir(root) < 0)
        return -errno;
    return pivot();
}

int clinux_clone_tree(const char *path) {
    unsigned how = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE;
    return (int)clinux_result(syscall(SYS_open_tree, AT_FDCWD, path, how));
}

int clinux_place_tree(int tree, const char *path) {
    return (int)clinux_result(
        syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
}

int clinux_seal_root(void) {
    unsigned long flags = MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    return (int)clinux_result(mount(0, "/", 0, flags, 0));
}

/// Writes all of `text` into a file of /proc, at once.
static int tell(const char *path, const char *text) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -errno;
    ssize_t count = write(fd, text, strlen(text));
    int result = count < 0 ? -errno : 0;
    close(fd);
    return result;
}

int clinux_map_self(uint32_t user, uint32_t group) {
    char line[48];
    snprintf(line, sizeof line, "%u %u 1\n", user, user);
    int result = tell("/proc/self/uid_map", line);
    // Without it the kernel takes no map of groups from who has no rights outside.
    if (result == 0) result = tell("/proc/self/setgroups", "deny\n");
    snprintf(line, sizeof line, "%u %u 1\n", group, group);
    return result < 0 ? result : tell("/proc/self/gid_map", line);
}

pid_t clinux_fork(void) {
    pid_t made = fork();
    return made < 0 ? -errno : made;
}
int clinux_new_session(void) { return setsid() < 0 ? -errno : 0; }
int clinux_is_session_leader(void) { return getsid(0) == getpid(); }
int clinux_replace(int fd, int target) { return (int)clinux_result(dup2(fd, target)); }
void clinux_end(int status) { _exit(status); }

int clinux_become(uint32_t user, uint32_t group) {
    if (setgroups(0, 0) < 0) return -errno;
    if (setresgid(group, group, group) < 0) return -errno;
    // The saved user is a way back should exec fail; exec itself makes it the effective one.
    return (int)clinux_result(setresuid(user, user, 0));
}
int clinux_regain(void) { return (int)clinux_result(seteuid(0)); }

int clinux_close_bounds(void) {
    for (int capability = 0; capability < 64; capability++)
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return errno == EINVAL ? 0 : -errno;
    return 0;
}

const int clinux_limit_file_size = RLIMIT_FSIZE, clinux_limit_open_files = RLIMIT_NOFILE;
int clinux_set_limit(int resource, uint64_t value) {
    struct rlimit limit = {value, value};
    return (int)clinux_result(setrlimit(resource, &limit));
}

int clinux_exec(const char *path, char *const *arguments) {
    char *const none[] = {0};
    execve(path, arguments, none);
    return -errno;
}
