// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// linux/vm_sockets.h
struct vsock_address {
    sa_family_t family;
    uint16_t reserved;
    uint32_t port;
    uint32_t context;
    uint8_t flags;
    uint8_t zero[3];
};

/// linux/tty.h: the peer of a pseudo-terminal, without a path.
#define GUEST_TIOCGPTPEER 0x5441

static int32_t outcome(long result) { return result < 0 ? -errno : (int32_t)result; }

static const char *text(const uint8_t *strings) { return (const char *)strings; }

/// Swift's hash seeds come from here; musl has no such function.
void arc4random_buf(void *bytes, size_t size) {
    while (getrandom(bytes, size, 0) < 0 && errno == EINTR) continue;
}

/// The string after this one.
static const char *after(const char *string) { return string + strlen(string) + 1; }

// Descriptors

int32_t guest_read(int32_t fd, uint8_t *bytes, int32_t size, int32_t start, int32_t limit) {
    int32_t room = size - start;
    return outcome(read(fd, bytes + start, (size_t)(room < limit ? room : limit)));
}

int32_t guest_write(int32_t fd, const uint8_t *bytes, int32_t size) {
    return outcome(write(fd, bytes, (size_t)size));
}

void guest_close(int32_t fd) { close(fd); }

int32_t guest_duplicate(int32_t fd) { return outcome(fcntl(fd, F_DUPFD_CLOEXEC, 3)); }

int32_t guest_set_nonblocking(int32_t fd) {
    int flags = fcntl(fd, F_GETFL);
    return outcome(flags < 0 ? flags : fcntl(fd, F_SETFL, flags | O_NONBLOCK));
}

int32_t guest_pending(int32_t fd) {
    int count = 0;
    int32_t result = outcome(ioctl(fd, FIONREAD, &count));
    return result < 0 ? result : count;
}

struct guest_pair guest_pipe(void) {
    int ends[2] = {-1, -1};
    int32_t result = outcome(pipe2(ends, O_CLOEXEC));
    return (struct guest_pair){result, ends[0], ends[1]};
}

struct guest_pair guest_terminal(uint16_t rows, uint16_t columns) {
    struct guest_pair pair = {-1, -1, -1};
    pair.first = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (pair.first < 0) {
        pair.result = -errno;
        return pair;
    }
    int unlock = 0;
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    ioctl(pair.first, TIOCSWINSZ, &size);
    pair.result = outcome(ioctl(pair.first, TIOCSPTLCK, &unlock));
    if (pair.result >= 0) {
        pair.second = ioctl(pair.first, GUEST_TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
        pair.result = outcome(pair.second);
    }
    if (pair.result < 0) close(pair.first);
    return pair;
}

int32_t guest_resize(int32_t fd, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return outcome(ioctl(fd, TIOCSWINSZ, &size));
}

// Sockets

static int vsock(void) {
    return socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int32_t close_with_error(int fd) {
    int32_t error = -errno;
    close(fd);
    return error;
}

int32_t guest_listen(uint32_t port) {
    struct vsock_address address = {.family = AF_VSOCK, .port = port, .context = UINT32_MAX};
    int fd = vsock();
    if (fd < 0) return -errno;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return close_with_error(fd);
    if (listen(fd, 256) < 0) return close_with_error(fd);
    return fd;
}

int32_t guest_connect(uint32_t context, uint32_t port) {
    struct vsock_address address = {.family = AF_VSOCK, .port = port, .context = context};
    int fd = vsock();
    if (fd < 0) return -errno;
    int result = connect(fd, (struct sockaddr *)&address, sizeof address);
    if (result < 0 && errno != EINPROGRESS) return close_with_error(fd);
    return fd;
}

int32_t guest_connected(int32_t fd) {
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0) return -errno;
    return -error;
}

int32_t guest_accept(int32_t fd, uint32_t context) {
    struct vsock_address address = {0};
    socklen_t size = sizeof address;
    int socket = accept4(fd, (struct sockaddr *)&address, &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (socket < 0) return -errno;
    if (address.family == AF_VSOCK && address.context != context) {
        close(socket);
        return -EACCES;
    }
    return socket;
}

int32_t guest_connect_port(uint16_t port, int32_t is_ipv6) {
    struct sockaddr_in address4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 address6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    address4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address6.sin6_addr = in6addr_loopback;
    int fd = socket(
        is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = is_ipv6 ? connect(fd, (struct sockaddr *)&address6, sizeof address6)
                         : connect(fd, (struct sockaddr *)&address4, sizeof address4);
    if (result < 0 && errno != EINPROGRESS) return close_with_error(fd);
    return fd;
}

void guest_end_writing(int32_t fd) { shutdown(fd, SHUT_WR); }

int32_t guest_is_gone(int32_t fd) {
    return send(fd, "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 && errno == EPIPE;
}

// Events

int32_t guest_events(void) { return outcome(epoll_create1(EPOLL_CLOEXEC)); }

int32_t guest_watch(int32_t events_fd, int32_t fd, uint32_t events, int32_t known, uint64_t token) {
    struct epoll_event event = {.events = events, .data.u64 = token};
    if (events == 0) return known ? outcome(epoll_ctl(events_fd, EPOLL_CTL_DEL, fd, &event)) : 0;
    return outcome(epoll_ctl(events_fd, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event));
}

struct guest_event guest_wait(int32_t events_fd, int32_t timeout) {
    struct epoll_event event = {0};
    int32_t result = outcome(epoll_wait(events_fd, &event, 1, timeout));
    return (struct guest_event){result, event.events, event.data.u64};
}

int32_t guest_child_signals(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    return outcome(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

void guest_take_child_signals(int32_t fd) {
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) > 0) continue;
}

uint64_t guest_now(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// Processes

/// What a child needs, made before it exists; it shares this memory until it executes.
struct plan {
    struct guest_launch launch;
    const char *directory;
    char **paths;
    /// One slot is free before it, for the interpreter of a script without a first line.
    char **arguments;
    char **environment;
    int step;
    int error;
};

static void attempt(struct plan *plan, char *path) {
    execve(path, plan->arguments, plan->environment);
    if (errno != ENOEXEC) return;
    char *command = plan->arguments[0];
    char **shell = plan->arguments - 1;
    shell[0] = "/bin/sh";
    shell[1] = path;
    execve(shell[0], shell, plan->environment);
    shell[1] = command;
    errno = ENOEXEC;
}

static int connect_files(const struct guest_launch *launch) {
    int input = launch->input;
    if (input < 0) input = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (input < 0 || dup2(input, 0) < 0) return -1;
    if (dup2(launch->output, 1) < 0 || dup2(launch->error_output, 2) < 0) return -1;
    return launch->terminal ? ioctl(0, TIOCSCTTY, 0) : 0;
}

/// The child, from its first instruction to the program's. Linux's requests only.
static void run_child(struct plan *plan) {
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    plan->step = 3;
    if (connect_files(&plan->launch) == 0) {
        plan->step = 2;
        if (chdir(plan->directory) == 0) {
            plan->step = 1;
            int refused = 0;
            errno = ENOENT;
            for (char **path = plan->paths; *path; path++) {
                attempt(plan, *path);
                if (errno == EACCES) refused = 1;
                if (errno != EACCES && errno != ENOENT && errno != ENOTDIR) break;
            }
            if (refused && (errno == ENOENT || errno == ENOTDIR)) errno = EACCES;
            if (errno == ENOTDIR && plan->paths[0] && plan->paths[1]) errno = ENOENT;
        }
    }
    plan->error = errno;
    _exit(127);
}

/// Points `list` to `count` strings and ends it; returns what follows them.
static const char *list_strings(char **list, int32_t count, const char *string) {
    for (int32_t index = 0; index < count; index++) {
        list[index] = (char *)string;
        string = after(string);
    }
    list[count] = NULL;
    return string;
}

struct guest_child guest_spawn(const uint8_t *strings, int32_t size, struct guest_launch launch) {
    (void)size;
    size_t slots = (size_t)launch.paths + (size_t)launch.arguments + (size_t)launch.environment + 4;
    char **lists = calloc(slots, sizeof *lists);
    if (!lists) return (struct guest_child){-ENOMEM, 3};
    struct plan plan = {.launch = launch, .directory = text(strings), .paths = lists, .step = 3};
    plan.arguments = plan.paths + launch.paths + 2;
    plan.environment = plan.arguments + launch.arguments + 1;
    const char *string = list_strings(plan.paths, launch.paths, after(plan.directory));
    string = list_strings(plan.arguments, launch.arguments, string);
    list_strings(plan.environment, launch.environment, string);
    struct plan *volatile shared = &plan;
    pid_t pid = vfork();
    if (pid == 0) run_child(shared);
    if (pid < 0) plan.error = errno;
    free(lists);
    if (plan.error == 0) return (struct guest_child){pid, 0};
    if (pid > 0) waitpid(pid, NULL, 0);
    return (struct guest_child){-plan.error, plan.step};
}

int32_t guest_fork(int32_t fd) {
    pid_t pid = fork();
    if (pid != 0) return outcome(pid);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) _exit(1);
    // Whatever else is open belongs to others, who wait for its end.
    if (fd > 3) syscall(SYS_close_range, 3, fd - 1, 0);
    syscall(SYS_close_range, fd + 1, UINT32_MAX, 0);
    if (chdir("/") < 0) _exit(1);
    return 0;
}

struct guest_end guest_reap(void) {
    int status = 0;
    pid_t pid = waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return (struct guest_end){0, 0, 0};
    return (struct guest_end){
        pid, WIFEXITED(status) ? WEXITSTATUS(status) : 0,
        WIFSIGNALED(status) ? WTERMSIG(status) : 0};
}

int32_t guest_signal_group(int32_t pid, int32_t signal) { return outcome(kill(-pid, signal)); }

int32_t guest_is_first_process(void) { return getpid() == 1; }

void guest_adopt_orphans(void) { prctl(PR_SET_CHILD_SUBREAPER, 1); }

void guest_begin(void) {
    while (fcntl(2, F_GETFD) < 0 && open("/", O_RDONLY | O_DIRECTORY) >= 0) continue;
    signal(SIGPIPE, SIG_IGN);
}

void guest_use_as_standard_files(int32_t fd) {
    for (int standard = 0; standard < 3; standard++) dup2(fd, standard);
}

// The machine

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
