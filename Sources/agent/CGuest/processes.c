// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "request.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

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
