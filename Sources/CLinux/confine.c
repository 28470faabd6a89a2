// SPDX-License-Identifier: Apache-2.0
// Filters, Landlock and what else a process gives up.
#define _GNU_SOURCE // O_PATH
#include "clinux_confine.h"
#include "clinux_gnu.h"
#include "clinux_parting.h"
#include "clinux_process.h"
#include "clinux_socket.h"
#include "clinux_system.h"

#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <malloc.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

#if defined(__x86_64__)
const uint32_t clinux_audit_arch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
const uint32_t clinux_audit_arch = AUDIT_ARCH_AARCH64;
#endif

static _Atomic int violation_log = -1;
void clinux_report_violations(int log) { violation_log = log; }

static __thread const char *thread_role = "a";

/// Appends `text` to a message of at most `limit` bytes.
static void append(char *message, size_t limit, const char *text) {
    size_t used = strlen(message), more = strlen(text);
    if (used + more < limit) memcpy(message + used, text, more + 1);
}

/// Appends which call the thread has made.
static void append_violation(char *message, size_t limit, int number) {
    char digits[12];
    int at = sizeof digits - 1;
    digits[at] = 0;
    unsigned rest = (unsigned)number;
    do digits[--at] = (char)('0' + rest % 10);
    while (rest /= 10);
    append(message, limit, "seccomp: the system call ");
    append(message, limit, clinux_syscall_name(number));
    append(message, limit, " (");
    append(message, limit, digits + at);
    append(message, limit, ") is forbidden to ");
    append(message, limit, thread_role);
    append(message, limit, " thread\n");
}

/// Runs on the thread that made the call, which the kernel has not carried out. It makes only calls
/// that every policy allows: a forbidden one would now kill the process by SIGSYS.
static void report_violation(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    clinux_terminal_restore();
    char message[160] = "swiftlet-vmm: ";
    // What a process has sent has no positive code. sigaction(2).
    int is_violation = info->si_code > 0;
    if (is_violation) append_violation(message, sizeof message, info->si_syscall);
    else append(message, sizeof message, "the monitor was ended by SIGSYS\n");
    ssize_t written = write(2, message, strlen(message));
    if (violation_log >= 0) written = write(violation_log, message, strlen(message));
    (void)written;
    clinux_part(is_violation ? CLINUX_PART_SECCOMP : CLINUX_PART_NONE, CLINUX_PART_NONE);
    _exit(CLINUX_BAD_SYSCALL);
}

int clinux_seccomp_watch(void) {
    struct sigaction action = {.sa_sigaction = report_violation, .sa_flags = SA_SIGINFO};
    sigfillset(&action.sa_mask);
    return (int)clinux_result(sigaction(SIGSYS, &action, 0));
}

/// Signals that end the process, and the status that says which: as Firecracker's, or as a shell's.
static const struct {
    int signal, status, part;
    const char *name;
} ends[] = {
    {SIGBUS, 149, CLINUX_PART_BUS, "SIGBUS"},    {SIGSEGV, 150, CLINUX_PART_SEGV, "SIGSEGV"},
    {SIGXFSZ, 151, CLINUX_PART_XFSZ, "SIGXFSZ"}, {SIGXCPU, 154, CLINUX_PART_XCPU, "SIGXCPU"},
    {SIGILL, 157, CLINUX_PART_ILL, "SIGILL"},    {SIGTRAP, 133, CLINUX_PART_NONE, "SIGTRAP"},
    {SIGABRT, 134, CLINUX_PART_NONE, "SIGABRT"}, {SIGFPE, 136, CLINUX_PART_NONE, "SIGFPE"},
};

/// Says once what has ended the process, and ends it. It makes only calls that every policy allows.
static _Noreturn void end_by(int signal, int other_part) {
    clinux_terminal_restore();
    size_t index = 0;
    while (ends[index].signal != signal) index++;
    char message[80] = "swiftlet-vmm: the monitor was ended by ";
    append(message, sizeof message, ends[index].name);
    append(message, sizeof message, "\n");
    ssize_t written = write(2, message, strlen(message));
    if (violation_log >= 0) written = write(violation_log, message, strlen(message));
    (void)written;
    clinux_part(ends[index].part, other_part);
    _exit(ends[index].status);
}

static void report_end(int signal, siginfo_t *info, void *context) {
    (void)context;
    // A check of Swift's that fails executes an instruction that there is not; nobody has sent it.
    int is_trap = signal == SIGILL && info->si_code > 0;
    end_by(signal, is_trap ? CLINUX_PART_TRAP : CLINUX_PART_NONE);
}

void clinux_end_aborted(void) { end_by(SIGABRT, CLINUX_PART_NONE); }

int clinux_watch_ends(void) {
    for (size_t index = 0; index < sizeof ends / sizeof *ends; index++) {
        struct sigaction action = {
            .sa_sigaction = report_end, .sa_flags = SA_SIGINFO | SA_RESETHAND};
        // Nothing comes between the sentence and the end.
        sigfillset(&action.sa_mask);
        // Who knows where a file was mapped has more to say about it.
        if (ends[index].signal == SIGBUS && clinux_watches_loss) continue;
        if (sigaction(ends[index].signal, &action, 0) < 0) return -errno;
    }
    return 0;
}

/// The signal that has asked for the end; 0: none has.
static _Atomic int request;
static struct { int wake, seconds, hung_up; } answer;

/// Makes only calls that the policies of all who admit requests allow, takes no lock and no memory: it
/// may interrupt whoever holds them.
static void note_request(int signal) {
    int none = 0, failure = errno;
    if (atomic_compare_exchange_strong(&request, &none, signal)) {
        struct itimerval patience = {.it_value.tv_sec = answer.seconds};
        setitimer(ITIMER_REAL, &patience, 0);
        uint64_t one = 1;
        ssize_t written = write(answer.wake, &one, sizeof one);
        (void)written;
    }
    errno = failure;
}

/// The time that a request leaves is over; or a timer of whoever executed this program was, before the
/// request took its place, or it is a stranger's signal. Such a one may have been pending for long.
static void give_up(int signal) {
    (void)signal;
    if (!request) return;
    int failure = errno;
    struct itimerval none = {0}, left = {0};
    if (setitimer(ITIMER_REAL, &none, &left) == 0 && timerisset(&left.it_value)) {
        setitimer(ITIMER_REAL, &left, 0);
        errno = failure;
        return;
    }
    static const char message[] = "swiftlet-vmm: the monitor was told to end and has not in time\n";
    ssize_t written = 0;
    // What holds up the monitor may be a reader of these.
    if (clinux_is_writable(2) == 1) written = write(2, message, sizeof message - 1);
    if (violation_log >= 0 && clinux_is_writable(violation_log) == 1)
        written = write(violation_log, message, sizeof message - 1);
    (void)written;
    _exit(request == SIGHUP ? answer.hung_up : 0);
}

static const int requests[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};

static int mask_requests(int how) {
    sigset_t set;
    sigemptyset(&set);
    for (size_t index = 0; index < sizeof requests / sizeof *requests; index++)
        sigaddset(&set, requests[index]);
    return -pthread_sigmask(how, &set, 0);
}

int clinux_hold_requests(int wake, int seconds, int hung_up) {
    answer.wake = wake, answer.seconds = seconds, answer.hung_up = hung_up;
    int failure = mask_requests(SIG_BLOCK);
    if (failure) return failure;
    for (size_t index = 0; index < sizeof requests / sizeof *requests; index++) {
        struct sigaction action = {
            .sa_handler = requests[index] == SIGALRM ? give_up : note_request,
            .sa_flags = SA_RESTART};
        sigfillset(&action.sa_mask);
        if (sigaction(requests[index], &action, 0) < 0) return -errno;
    }
    return 0;
}

void clinux_admit_requests(void) { mask_requests(SIG_UNBLOCK); }
int clinux_request(void) { return request; }

void clinux_await_requests(void) {
    while (1) poll(0, 0, -1);
}

void clinux_divide_code(void) {
    // Neighbours that differ in a hint are mappings of their own, and a fault maps no more than its
    // own: else it would map all of 64 KiB that is in the page cache.
    const uintptr_t piece = 16 << 10;
    uintptr_t first = ((uintptr_t)&__executable_start + 4095) & ~(uintptr_t)4095;
    uintptr_t end = (uintptr_t)&etext & ~(uintptr_t)4095;
    for (; first + piece < end; first += 2 * piece) madvise((void *)first, piece, MADV_RANDOM);
}

int clinux_seccomp_install(const uint64_t *instructions, size_t count, const char *role) {
    _Static_assert(sizeof(struct sock_filter) == sizeof *instructions, "an instruction is 8 bytes");
    if (count == 0 || count > BPF_MAXINSNS) return -EINVAL;
    // Only read. A copy on the stack would be three fresh pages of each thread's.
    struct sock_fprog program = {
        .len = (unsigned short)count, .filter = (struct sock_filter *)(uintptr_t)instructions};
    thread_role = role;
    return (int)clinux_result(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

int clinux_landlock_add(int ruleset, const char *path, uint64_t access) {
    int fd = open(path, O_PATH | O_CLOEXEC);
    // Whoever opens it later is told so.
    if (fd < 0) return errno == ENOENT || errno == EACCES || errno == ENOTDIR ? 0 : -errno;
    struct stat about;
    // Rights that only directories have are refused for anything else.
    uint64_t on_files = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE
        | LANDLOCK_ACCESS_FS_EXECUTE | 1ULL << 14 /* TRUNCATE */ | 1ULL << 15 /* IOCTL_DEV */;
    if (fstat(fd, &about) == 0 && !S_ISDIR(about.st_mode)) access &= on_files;
    struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = fd};
    long result = clinux_result(
        syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0));
    close(fd);
    // Files of the kernel's own file systems (pipes, memory files) are not restricted at all.
    return result == -EBADFD ? 0 : (int)result;
}

int clinux_landlock_create(uint64_t files, uint64_t net, uint64_t scope) {
    // As struct landlock_ruleset_attr of Linux 6.12; a kernel that knows less takes less.
    uint64_t rights[3] = {files, net, scope};
    size_t size = scope ? 24 : net ? 16 : 8;
    return (int)clinux_result(syscall(SYS_landlock_create_ruleset, rights, size, 0));
}
int clinux_landlock_restrict(int ruleset) {
    return (int)clinux_result(syscall(SYS_landlock_restrict_self, ruleset, 0));
}

int clinux_one_heap(void) { return mallopt(M_ARENA_MAX, 1) == 1 ? 0 : -EINVAL; }

int clinux_no_new_privileges(void) {
    return (int)clinux_result(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

int clinux_drop_capabilities(void) {
    // The ambient ones go with these. The bounding set stays: whoever may get no new privileges gets none
    // by what it executes, and to empty the set is a call for each, of every thread.
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2];
    memset(none, 0, sizeof none);
    return (int)clinux_result(syscall(SYS_capset, &header, none));
}

int clinux_hide_process(void) {
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none) < 0) return -errno;
    return (int)clinux_result(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
}

extern char **environ;
void clinux_clear_environment(void) {
    for (char **variable = environ; variable && *variable; variable++)
        memset(*variable, 0, strlen(*variable));
    if (environ) *environ = 0;
}

/// CLOSE_RANGE_CLOEXEC.
static const unsigned mark_only = 4;

int clinux_close_descriptors(const int *kept, size_t count) {
    unsigned from = 0;
    for (size_t index = 0; index <= count; index++) {
        unsigned to = index < count ? (unsigned)kept[index] : ~0U;
        if (to > from && syscall(SYS_close_range, from, index < count ? to - 1 : to, 0) < 0)
            return -errno;
        from = to + 1;
    }
    // The flag has no use without exec, but an exec of whoever comes after us must find nothing.
    syscall(SYS_close_range, 3, ~0U, mark_only);
    return 0;
}
