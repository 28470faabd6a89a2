// SPDX-License-Identifier: Apache-2.0
// Times starts of a program behind a root of its own, several at a time:
//   starts bare    ROUNDS PARALLEL FOLDER PROGRAM
//   starts jailer  ROUNDS PARALLEL FOLDER PROGRAM JAILER
// FOLDER is empty and PROGRAM is static and ends by itself with --version. Prints the median time of a
// start, from fork to the end of the program, and the mean of its processor time, in microseconds.
//
// "bare" does what cannot be left out: fork, a mount namespace, pivot_root into a directory that
// holds the program already, exec. "jailer" is swiftlet-jailer with all that it does.
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 64 };

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static uint64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static uint64_t nanoseconds(struct timeval time) {
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_usec * 1000;
}

static void run(const char *format, const char *a, const char *b) {
    char command[4096];
    snprintf(command, sizeof command, format, a, b);
    if (system(command) != 0) fail(command);
}

static void bare(const char *root) {
    if (unshare(CLONE_NEWNS) < 0) fail("unshare");
    if (mount(0, "/", 0, MS_SLAVE | MS_REC, 0) < 0) fail("slave");
    if (mount(root, root, 0, MS_BIND | MS_REC, 0) < 0) fail("bind");
    if (chdir(root) < 0) fail("chdir");
    if (syscall(SYS_pivot_root, ".", ".") < 0) fail("pivot_root");
    if (umount2(".", MNT_DETACH) < 0) fail("umount");
    if (chdir("/") < 0) fail("chdir /");
    execl("/firecracker", "/firecracker", "--version", (char *)0);
    fail("exec");
}

static void jailed(const char *jailer, const char *folder, const char *program, const char *id) {
    execl(jailer, jailer, "--id", id, "--exec-file", program, "--uid", "12345", "--gid", "12345",
          "--chroot-base-dir", folder, "--", "--version", (char *)0);
    fail("exec jailer");
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

int main(int count, char **words) {
    if (count < 6) return 2;
    int is_bare = strcmp(words[1], "bare") == 0, rounds = atoi(words[2]), parallel = atoi(words[3]);
    const char *folder = words[4], *program = words[5];
    if (rounds < 1 || parallel < 1 || parallel > MOST || (!is_bare && count < 7)) return 2;
    char roots[MOST][512], ids[MOST][16];
    for (int i = 0; i < parallel; i++) {
        snprintf(ids[i], sizeof ids[i], "j%d", i);
        snprintf(roots[i], sizeof roots[i], "%s/bare-%d", folder, i);
        if (is_bare) {
            if (mkdir(roots[i], 0700) < 0) fail("mkdir");
            run("cp %s %s/firecracker", program, roots[i]);
        }
    }
    uint64_t *times = calloc((size_t)(rounds * parallel), sizeof *times);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    uint64_t used = 0;
    for (int round = 0; round < rounds; round++) {
        pid_t made[MOST];
        uint64_t start[MOST];
        if (!is_bare) {
            // As "bare" has its copies there already. The jailer has them in one folder.
            char command[2048];
            snprintf(command, sizeof command, "%s --spares %d --exec-file %s --chroot-base-dir %s",
                     words[6], parallel, program, folder);
            run("%s%s", command, "");
        }
        for (int i = 0; i < parallel; i++) {
            start[i] = now();
            made[i] = fork();
            if (made[i] < 0) fail("fork");
            if (made[i] > 0) continue;
            dup2(nothing, 1);
            if (is_bare) bare(roots[i]);
            jailed(words[6], folder, program, ids[i]);
        }
        for (int left = parallel; left > 0; left--) {
            int status;
            struct rusage usage;
            pid_t ended = wait4(-1, &status, 0, &usage);
            used += nanoseconds(usage.ru_utime) + nanoseconds(usage.ru_stime);
            uint64_t end = now();
            if (status != 0) {
                fprintf(stderr, "a start ended with status %#x\n", status);
                return 1;
            }
            for (int i = 0; i < parallel; i++)
                if (made[i] == ended) times[round * parallel + i] = end - start[i];
        }
        if (!is_bare)
            for (int i = 0; i < parallel; i++) run("rm -rf %s/*/%s", folder, ids[i]);
    }
    qsort(times, (size_t)(rounds * parallel), sizeof *times, compare);
    printf("%llu %llu\n", (unsigned long long)times[rounds * parallel / 2] / 1000,
           (unsigned long long)used / (unsigned)(rounds * parallel) / 1000);
    return 0;
}
