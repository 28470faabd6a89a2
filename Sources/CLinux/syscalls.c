// SPDX-License-Identifier: Apache-2.0
// Names of the system calls of x86-64, as asm/unistd_64.h has them in Linux 6.1; those that came later
// go by their numbers.
#include "clinux_confine.h"

#include <asm/unistd.h>
#include <string.h>

#define CLINUX_NAME(name) [__NR_##name] = #name,

#if defined(__x86_64__)
static const char *const names[] = {
    CLINUX_NAME(read) CLINUX_NAME(write) CLINUX_NAME(open) CLINUX_NAME(close) CLINUX_NAME(stat)
    CLINUX_NAME(fstat) CLINUX_NAME(lstat) CLINUX_NAME(poll) CLINUX_NAME(lseek) CLINUX_NAME(mmap)
    CLINUX_NAME(mprotect) CLINUX_NAME(munmap) CLINUX_NAME(brk) CLINUX_NAME(rt_sigaction)
    CLINUX_NAME(rt_sigprocmask) CLINUX_NAME(rt_sigreturn) CLINUX_NAME(ioctl) CLINUX_NAME(pread64)
    CLINUX_NAME(pwrite64) CLINUX_NAME(readv) CLINUX_NAME(writev) CLINUX_NAME(access) CLINUX_NAME(pipe)
    CLINUX_NAME(select) CLINUX_NAME(sched_yield) CLINUX_NAME(mremap) CLINUX_NAME(msync) CLINUX_NAME(mincore)
    CLINUX_NAME(madvise) CLINUX_NAME(shmget) CLINUX_NAME(shmat) CLINUX_NAME(shmctl) CLINUX_NAME(dup)
    CLINUX_NAME(dup2) CLINUX_NAME(pause) CLINUX_NAME(nanosleep) CLINUX_NAME(getitimer) CLINUX_NAME(alarm)
    CLINUX_NAME(setitimer) CLINUX_NAME(getpid) CLINUX_NAME(sendfile) CLINUX_NAME(socket) CLINUX_NAME(connect)
    CLINUX_NAME(accept) CLINUX_NAME(sendto) CLINUX_NAME(recvfrom) CLINUX_NAME(sendmsg) CLINUX_NAME(recvmsg)
    CLINUX_NAME(shutdown) CLINUX_NAME(bind) CLINUX_NAME(listen) CLINUX_NAME(getsockname)
    CLINUX_NAME(getpeername) CLINUX_NAME(socketpair) CLINUX_NAME(setsockopt) CLINUX_NAME(getsockopt)
    CLINUX_NAME(clone) CLINUX_NAME(fork) CLINUX_NAME(vfork) CLINUX_NAME(execve) CLINUX_NAME(exit)
    CLINUX_NAME(wait4) CLINUX_NAME(kill) CLINUX_NAME(uname) CLINUX_NAME(semget) CLINUX_NAME(semop)
    CLINUX_NAME(semctl) CLINUX_NAME(shmdt) CLINUX_NAME(msgget) CLINUX_NAME(msgsnd) CLINUX_NAME(msgrcv)
    CLINUX_NAME(msgctl) CLINUX_NAME(fcntl) CLINUX_NAME(flock) CLINUX_NAME(fsync) CLINUX_NAME(fdatasync)
    CLINUX_NAME(truncate) CLINUX_NAME(ftruncate) CLINUX_NAME(getdents) CLINUX_NAME(getcwd) CLINUX_NAME(chdir)
    CLINUX_NAME(fchdir) CLINUX_NAME(rename) CLINUX_NAME(mkdir) CLINUX_NAME(rmdir) CLINUX_NAME(creat)
    CLINUX_NAME(link) CLINUX_NAME(unlink) CLINUX_NAME(symlink) CLINUX_NAME(readlink) CLINUX_NAME(chmod)
    CLINUX_NAME(fchmod) CLINUX_NAME(chown) CLINUX_NAME(fchown) CLINUX_NAME(lchown) CLINUX_NAME(umask)
    CLINUX_NAME(gettimeofday) CLINUX_NAME(getrlimit) CLINUX_NAME(getrusage) CLINUX_NAME(sysinfo)
    CLINUX_NAME(times) CLINUX_NAME(ptrace) CLINUX_NAME(getuid) CLINUX_NAME(syslog) CLINUX_NAME(getgid)
    CLINUX_NAME(setuid) CLINUX_NAME(setgid) CLINUX_NAME(geteuid) CLINUX_NAME(getegid) CLINUX_NAME(setpgid)
    CLINUX_NAME(getppid) CLINUX_NAME(getpgrp) CLINUX_NAME(setsid) CLINUX_NAME(setreuid) CLINUX_NAME(setregid)
    CLINUX_NAME(getgroups) CLINUX_NAME(setgroups) CLINUX_NAME(setresuid) CLINUX_NAME(getresuid)
    CLINUX_NAME(setresgid) CLINUX_NAME(getresgid) CLINUX_NAME(getpgid) CLINUX_NAME(setfsuid)
    CLINUX_NAME(setfsgid) CLINUX_NAME(getsid) CLINUX_NAME(capget) CLINUX_NAME(capset)
    CLINUX_NAME(rt_sigpending) CLINUX_NAME(rt_sigtimedwait) CLINUX_NAME(rt_sigqueueinfo)
    CLINUX_NAME(rt_sigsuspend) CLINUX_NAME(sigaltstack) CLINUX_NAME(utime) CLINUX_NAME(mknod)
    CLINUX_NAME(uselib) CLINUX_NAME(personality) CLINUX_NAME(ustat) CLINUX_NAME(statfs) CLINUX_NAME(fstatfs)
    CLINUX_NAME(sysfs) CLINUX_NAME(getpriority) CLINUX_NAME(setpriority) CLINUX_NAME(sched_setparam)
    CLINUX_NAME(sched_getparam) CLINUX_NAME(sched_setscheduler) CLINUX_NAME(sched_getscheduler)
    CLINUX_NAME(sched_get_priority_max) CLINUX_NAME(sched_get_priority_min) CLINUX_NAME(sched_rr_get_interval)
    CLINUX_NAME(mlock) CLINUX_NAME(munlock) CLINUX_NAME(mlockall) CLINUX_NAME(munlockall) CLINUX_NAME(vhangup)
    CLINUX_NAME(modify_ldt) CLINUX_NAME(pivot_root) CLINUX_NAME(_sysctl) CLINUX_NAME(prctl)
    CLINUX_NAME(arch_prctl) CLINUX_NAME(adjtimex) CLINUX_NAME(setrlimit) CLINUX_NAME(chroot) CLINUX_NAME(sync)
    CLINUX_NAME(acct) CLINUX_NAME(settimeofday) CLINUX_NAME(mount) CLINUX_NAME(umount2) CLINUX_NAME(swapon)
    CLINUX_NAME(swapoff) CLINUX_NAME(reboot) CLINUX_NAME(sethostname) CLINUX_NAME(setdomainname)
    CLINUX_NAME(iopl) CLINUX_NAME(ioperm) CLINUX_NAME(create_module) CLINUX_NAME(init_module)
    CLINUX_NAME(delete_module) CLINUX_NAME(get_kernel_syms) CLINUX_NAME(query_module) CLINUX_NAME(quotactl)
    CLINUX_NAME(nfsservctl) CLINUX_NAME(getpmsg) CLINUX_NAME(putpmsg) CLINUX_NAME(afs_syscall)
    CLINUX_NAME(tuxcall) CLINUX_NAME(security) CLINUX_NAME(gettid) CLINUX_NAME(readahead)
    CLINUX_NAME(setxattr) CLINUX_NAME(lsetxattr) CLINUX_NAME(fsetxattr) CLINUX_NAME(getxattr)
    CLINUX_NAME(lgetxattr) CLINUX_NAME(fgetxattr) CLINUX_NAME(listxattr) CLINUX_NAME(llistxattr)
    CLINUX_NAME(flistxattr) CLINUX_NAME(removexattr) CLINUX_NAME(lremovexattr) CLINUX_NAME(fremovexattr)
    CLINUX_NAME(tkill) CLINUX_NAME(time) CLINUX_NAME(futex) CLINUX_NAME(sched_setaffinity)
    CLINUX_NAME(sched_getaffinity) CLINUX_NAME(set_thread_area) CLINUX_NAME(io_setup) CLINUX_NAME(io_destroy)
    CLINUX_NAME(io_getevents) CLINUX_NAME(io_submit) CLINUX_NAME(io_cancel) CLINUX_NAME(get_thread_area)
    CLINUX_NAME(lookup_dcookie) CLINUX_NAME(epoll_create) CLINUX_NAME(epoll_ctl_old)
    CLINUX_NAME(epoll_wait_old) CLINUX_NAME(remap_file_pages) CLINUX_NAME(getdents64)
    CLINUX_NAME(set_tid_address) CLINUX_NAME(restart_syscall) CLINUX_NAME(semtimedop) CLINUX_NAME(fadvise64)
    CLINUX_NAME(timer_create) CLINUX_NAME(timer_settime) CLINUX_NAME(timer_gettime)
    CLINUX_NAME(timer_getoverrun) CLINUX_NAME(timer_delete) CLINUX_NAME(clock_settime)
    CLINUX_NAME(clock_gettime) CLINUX_NAME(clock_getres) CLINUX_NAME(clock_nanosleep) CLINUX_NAME(exit_group)
    CLINUX_NAME(epoll_wait) CLINUX_NAME(epoll_ctl) CLINUX_NAME(tgkill) CLINUX_NAME(utimes)
    CLINUX_NAME(vserver) CLINUX_NAME(mbind) CLINUX_NAME(set_mempolicy) CLINUX_NAME(get_mempolicy)
    CLINUX_NAME(mq_open) CLINUX_NAME(mq_unlink) CLINUX_NAME(mq_timedsend) CLINUX_NAME(mq_timedreceive)
    CLINUX_NAME(mq_notify) CLINUX_NAME(mq_getsetattr) CLINUX_NAME(kexec_load) CLINUX_NAME(waitid)
    CLINUX_NAME(add_key) CLINUX_NAME(request_key) CLINUX_NAME(keyctl) CLINUX_NAME(ioprio_set)
    CLINUX_NAME(ioprio_get) CLINUX_NAME(inotify_init) CLINUX_NAME(inotify_add_watch)
    CLINUX_NAME(inotify_rm_watch) CLINUX_NAME(migrate_pages) CLINUX_NAME(openat) CLINUX_NAME(mkdirat)
    CLINUX_NAME(mknodat) CLINUX_NAME(fchownat) CLINUX_NAME(futimesat) CLINUX_NAME(newfstatat)
    CLINUX_NAME(unlinkat) CLINUX_NAME(renameat) CLINUX_NAME(linkat) CLINUX_NAME(symlinkat)
    CLINUX_NAME(readlinkat) CLINUX_NAME(fchmodat) CLINUX_NAME(faccessat) CLINUX_NAME(pselect6)
    CLINUX_NAME(ppoll) CLINUX_NAME(unshare) CLINUX_NAME(set_robust_list) CLINUX_NAME(get_robust_list)
    CLINUX_NAME(splice) CLINUX_NAME(tee) CLINUX_NAME(sync_file_range) CLINUX_NAME(vmsplice)
    CLINUX_NAME(move_pages) CLINUX_NAME(utimensat) CLINUX_NAME(epoll_pwait) CLINUX_NAME(signalfd)
    CLINUX_NAME(timerfd_create) CLINUX_NAME(eventfd) CLINUX_NAME(fallocate) CLINUX_NAME(timerfd_settime)
    CLINUX_NAME(timerfd_gettime) CLINUX_NAME(accept4) CLINUX_NAME(signalfd4) CLINUX_NAME(eventfd2)
    CLINUX_NAME(epoll_create1) CLINUX_NAME(dup3) CLINUX_NAME(pipe2) CLINUX_NAME(inotify_init1)
    CLINUX_NAME(preadv) CLINUX_NAME(pwritev) CLINUX_NAME(rt_tgsigqueueinfo) CLINUX_NAME(perf_event_open)
    CLINUX_NAME(recvmmsg) CLINUX_NAME(fanotify_init) CLINUX_NAME(fanotify_mark) CLINUX_NAME(prlimit64)
    CLINUX_NAME(name_to_handle_at) CLINUX_NAME(open_by_handle_at) CLINUX_NAME(clock_adjtime)
    CLINUX_NAME(syncfs) CLINUX_NAME(sendmmsg) CLINUX_NAME(setns) CLINUX_NAME(getcpu)
    CLINUX_NAME(process_vm_readv) CLINUX_NAME(process_vm_writev) CLINUX_NAME(kcmp) CLINUX_NAME(finit_module)
    CLINUX_NAME(sched_setattr) CLINUX_NAME(sched_getattr) CLINUX_NAME(renameat2) CLINUX_NAME(seccomp)
    CLINUX_NAME(getrandom) CLINUX_NAME(memfd_create) CLINUX_NAME(kexec_file_load) CLINUX_NAME(bpf)
    CLINUX_NAME(execveat) CLINUX_NAME(userfaultfd) CLINUX_NAME(membarrier) CLINUX_NAME(mlock2)
    CLINUX_NAME(copy_file_range) CLINUX_NAME(preadv2) CLINUX_NAME(pwritev2) CLINUX_NAME(pkey_mprotect)
    CLINUX_NAME(pkey_alloc) CLINUX_NAME(pkey_free) CLINUX_NAME(statx) CLINUX_NAME(io_pgetevents)
    CLINUX_NAME(rseq) CLINUX_NAME(pidfd_send_signal) CLINUX_NAME(io_uring_setup) CLINUX_NAME(io_uring_enter)
    CLINUX_NAME(io_uring_register) CLINUX_NAME(open_tree) CLINUX_NAME(move_mount) CLINUX_NAME(fsopen)
    CLINUX_NAME(fsconfig) CLINUX_NAME(fsmount) CLINUX_NAME(fspick) CLINUX_NAME(pidfd_open) CLINUX_NAME(clone3)
    CLINUX_NAME(close_range) CLINUX_NAME(openat2) CLINUX_NAME(pidfd_getfd) CLINUX_NAME(faccessat2)
    CLINUX_NAME(process_madvise) CLINUX_NAME(epoll_pwait2) CLINUX_NAME(mount_setattr) CLINUX_NAME(quotactl_fd)
    CLINUX_NAME(landlock_create_ruleset) CLINUX_NAME(landlock_add_rule) CLINUX_NAME(landlock_restrict_self)
    CLINUX_NAME(memfd_secret) CLINUX_NAME(process_mrelease) CLINUX_NAME(futex_waitv)
    CLINUX_NAME(set_mempolicy_home_node)
};
static const int name_count = sizeof names / sizeof *names;
#else
static const char *const names[1];
static const int name_count = 0;
#endif

const char *clinux_syscall_name(int number) {
    const char *name = number >= 0 && number < name_count ? names[number] : 0;
    return name ? name : "unknown";
}

int clinux_syscall_number(const char *name) {
    for (int number = 0; number < name_count; number++)
        if (names[number] && strcmp(names[number], name) == 0) return number;
    return -1;
}
