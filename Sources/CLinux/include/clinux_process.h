// SPDX-License-Identifier: Apache-2.0
// Children, sockets, signals and terminals: bodies that Swift cannot hold, because they run between
// vfork and exec or in a signal handler, or that do not import.
#pragma once

#include "clinux_loss.h"
#include "clinux_system.h"
#include <poll.h>
#include <stddef.h>
#include <sys/inotify.h>

/// What a child is made of. Descriptor `i` of the child is `descriptors[i]`; all others are closed.
struct clinux_child {
    const char *path;
    char *const *arguments;
    char *const *environment;
    const int *descriptors;
    int descriptor_count;
    /// Its own session: no terminal can signal it, and it cannot type into one.
    int new_session;
    /// SIGKILL for it as soon as the *thread* that made it ends. prctl(2), PR_SET_PDEATHSIG.
    int dies_with_parent;
    /// Its own process namespace, in which it is init(1), and without root's rights the user namespace
    /// that this takes; in that, user and group stay what they are.
    int isolated;
};

/// The child's process number, or a negated errno, that of exec included.
pid_t clinux_spawn(const struct clinux_child *child);

static inline int clinux_pidfd(pid_t process) {
    return (int)clinux_result(syscall(SYS_pidfd_open, process, 0));
}
/// Waits until `process` has ended, and leaves it to be reaped.
static inline void clinux_wait_ended(pid_t process) {
    siginfo_t info;
    while (waitid(P_PID, (id_t)process, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR) {}
}
/// Reaps `process`: its exit status, or 256 and the signal that ended it, or a negated errno.
static inline int clinux_reap(pid_t process) {
    int status;
    pid_t answer;
    do answer = waitpid(process, &status, 0);
    while (answer < 0 && errno == EINTR);
    if (answer < 0) return -errno;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 256 + WTERMSIG(status);
}
static inline int clinux_pidfd_signal(int pidfd, int signal) {
    return (int)clinux_result(syscall(SYS_pidfd_send_signal, pidfd, signal, 0, 0));
}
/// Processor time of any process, in nanoseconds.
static inline int clinux_process_time(pid_t process, uint64_t *nanoseconds) {
    clockid_t clock;
    int failure = clock_getcpuclockid(process, &clock);
    struct timespec time;
    if (failure) return -failure;
    if (clock_gettime(clock, &time) < 0) return -errno;
    *nanoseconds = (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
    return 0;
}
static inline int clinux_pipe(int ends[2]) { return (int)clinux_result(pipe2(ends, O_CLOEXEC)); }

static inline int clinux_poll(struct pollfd *descriptors, size_t count, int milliseconds) {
    return (int)clinux_result(poll(descriptors, count, milliseconds));
}

/// A descriptor that is readable once files in the directory at `path` are written, or renamed to there.
static inline int clinux_watch_directory(const char *path) {
    int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch < 0) return -errno;
    if (inotify_add_watch(watch, path, IN_MODIFY | IN_MOVED_TO | IN_ONLYDIR) >= 0) return watch;
    int failure = errno;
    close(watch);
    return -failure;
}

/// Blocks the signals in `mask` (bit n-1 is signal n) for this thread; a descriptor that reads them.
static inline int clinux_signal_descriptor(uint64_t mask) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal = 1; signal < 65; signal++)
        if (mask >> (signal - 1) & 1) sigaddset(&set, signal);
    int failure = pthread_sigmask(SIG_BLOCK, &set, 0);
    if (failure) return -failure;
    return (int)clinux_result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}
/// The next signal, or 0.
static inline int clinux_signal_next(int fd) {
    struct signalfd_siginfo info;
    return read(fd, &info, sizeof info) == sizeof info ? (int)info.ssi_signo : 0;
}
static inline void clinux_ignore_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_IGN};
    sigaction(signal, &action, 0);
}

/// Lets `signal` do to this thread what it does by default.
static inline void clinux_default_signal(int signal) {
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigaction(signal, &action, 0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    pthread_sigmask(SIG_UNBLOCK, &set, 0);
}

/// The terminal's size in `size`: rows, columns.
static inline int clinux_terminal_size(int fd, uint16_t size[2]) {
    struct winsize window;
    if (ioctl(fd, TIOCGWINSZ, &window) < 0) return -errno;
    size[0] = window.ws_row;
    size[1] = window.ws_col;
    return 0;
}

/// The terminal that is raw at present, for the handler of fatal signals; -1: none.
extern int clinux_raw_terminal;
extern struct termios clinux_cooked;

static inline void clinux_terminal_apply(int fd, const struct termios *mode) {
    // From a background process group this would stop us: the terminal is set regardless.
    struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
    sigaction(SIGTTOU, &ignore, &before);
    // tcsetattr(3) asks for the mode before, which is a request more than threads may make that end
    // here. The kernel's structure is how the C library's begins.
    ioctl(fd, TCSETSW, mode);
    sigaction(SIGTTOU, &before, 0);
}
static inline void clinux_terminal_restore(void) {
    int fd = clinux_raw_terminal;
    if (fd < 0) return;
    clinux_raw_terminal = -1;
    clinux_terminal_apply(fd, &clinux_cooked);
}
static void clinux_terminal_fatal(int signal) {
    clinux_terminal_restore();
    raise(signal); // SA_RESETHAND has put the default action back.
}
/// Makes `fd` raw, until `clinux_terminal_restore` or a fatal signal.
__attribute__((unused)) static int clinux_terminal_raw(int fd) {
    struct termios mode;
    if (tcgetattr(fd, &mode) < 0) return -errno;
    clinux_cooked = mode;
    clinux_raw_terminal = fd;
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        if (fatal[i] == SIGBUS && clinux_watches_loss) continue;
        struct sigaction action = {.sa_handler = clinux_terminal_fatal, .sa_flags = SA_RESETHAND};
        sigaction(fatal[i], &action, 0);
    }
    cfmakeraw(&mode);
    return (int)clinux_result(tcsetattr(fd, TCSADRAIN, &mode));
}
/// A process that waits for our end, however it comes, and then makes the terminal cooked again.
/// It ends when `alive`'s other end is closed; if a byte comes first, it leaves the terminal alone.
__attribute__((noinline, unused)) static pid_t clinux_terminal_guard(int terminal, int alive) {
    pid_t made = fork();
    if (made != 0) return made < 0 ? -errno : made;
    // Signals for our group are for us to answer; this one outlives us by an instant.
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    int copy = fcntl(terminal, F_DUPFD, 16), watch = fcntl(alive, F_DUPFD, 16);
    if (dup2(copy, 0) < 0 || dup2(watch, 1) < 0) _exit(1);
    // Whatever we held open would stay open for others through this process.
    syscall(SYS_close_range, 2, ~0U, 0);
    char byte;
    ssize_t count;
    do count = read(1, &byte, 1);
    while (count < 0 && errno == EINTR);
    if (count == 0) tcsetattr(0, TCSADRAIN, &clinux_cooked);
    _exit(0);
}

extern char **environ;
/// `NAME=value` each, and a null behind the last.
static inline char *const *clinux_environment(void) { return environ; }
/// The program's name and its arguments, and a null behind the last.
char *const *clinux_arguments(void);

/// The target of a symbolic link, without a zero at its end; its length.
static inline long clinux_readlink(const char *path, char *buffer, size_t size) {
    return clinux_result(readlink(path, buffer, size));
}
static inline int clinux_access(const char *path, int mode) {
    return (int)clinux_result(access(path, mode));
}
static inline int clinux_is_regular(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}
