// SPDX-License-Identifier: Apache-2.0
//
// Which functions a program calls, in the order of their first calls:
//   order FUNCTIONS SECONDS PROGRAM [ARGUMENT...]
// FUNCTIONS has an address in hexadecimal a line, as nm(1) writes them. Each becomes a breakpoint of
// the program that goes when it is met. The program is killed after SECONDS.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { limit = 64 << 20 };
/// What was at an address before its breakpoint; 0 if it has none (no function begins with that byte).
static unsigned char first_bytes[limit];
static volatile sig_atomic_t is_over;
static void end(int signal) { (void)signal, is_over = 1; }

static void fail(const char *what) { perror(what), exit(1); }

static void set_breakpoints(const char *path, int memory) {
    FILE *file = fopen(path, "r");
    if (!file) fail(path);
    unsigned long address;
    while (fscanf(file, "%lx", &address) == 1) {
        if (address >= limit || first_bytes[address]) continue;
        if (pread(memory, first_bytes + address, 1, (off_t)address) != 1) continue;
        if (pwrite(memory, "\xcc", 1, (off_t)address) != 1) first_bytes[address] = 0;
    }
    fclose(file);
}

/// Whether the thread stands behind one of our breakpoints. Then it is taken back.
static int met(pid_t thread, int memory) {
    void *place = (void *)offsetof(struct user, regs.rip);
    errno = 0;
    unsigned long address = (unsigned long)ptrace(PTRACE_PEEKUSER, thread, place, 0) - 1;
    if (errno || address >= limit || !first_bytes[address]) return 0;
    unsigned char now;
    if (pread(memory, &now, 1, (off_t)address) != 1) return 0;
    // Two threads may meet it at once.
    if (now == 0xcc && first_bytes[address] != 0xcc) {
        pwrite(memory, first_bytes + address, 1, (off_t)address);
        printf("%016lx\n", address);
    }
    ptrace(PTRACE_POKEUSER, thread, place, (void *)address);
    return 1;
}

int main(int count, char **words) {
    if (count < 4) return 2;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        // Its output is not ours.
        dup2(open("/dev/null", O_RDWR), 1);
        execv(words[3], words + 3);
        _exit(127);
    }
    int status;
    if (waitpid(child, &status, 0) < 0 || !WIFSTOPPED(status)) fail(words[3]);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL);
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", child);
    int memory = open(path, O_RDWR);
    if (memory < 0) fail(path);
    set_breakpoints(words[1], memory);
    struct sigaction action = {.sa_handler = end};
    sigaction(SIGALRM, &action, 0);
    alarm((unsigned)atoi(words[2]));
    ptrace(PTRACE_CONT, child, 0, 0);
    while (!is_over) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) break;
        if (!WIFSTOPPED(status)) {
            if (thread == child) break;
            continue;
        }
        int signal = WSTOPSIG(status);
        int is_event = status >> 16 != 0 || signal == SIGSTOP;
        if (is_event || (signal == SIGTRAP && met(thread, memory))) signal = 0;
        ptrace(PTRACE_CONT, thread, 0, (void *)(long)signal);
    }
    kill(child, SIGKILL);
    return 0;
}
