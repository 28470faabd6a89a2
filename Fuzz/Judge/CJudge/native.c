// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "cjudge.h"

#include <errno.h>

size_t cjudge_state_size(void) { return sizeof(cjudge_state); }

#if defined(__x86_64__) && defined(__linux__)

#include <cpuid.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

// What the entry and exit code share with the signal handler, at an address that every instruction
// can name without a register. The offsets are written out in the assembly below.
typedef struct {
    uint64_t host_rsp;      // 0x00
    uint64_t after;         // 0x08
    uint32_t target;        // 0x10
    uint16_t selector;      // 0x14
    uint16_t pad;
    uint64_t host_fs;       // 0x18
    uint64_t host_gs;       // 0x20
    uint64_t kept;          // 0x28
    uint32_t mxcsr;         // 0x30
    uint32_t active;        // 0x34
    uint64_t serial;        // 0x38
    uint64_t seen;          // 0x40
    uint64_t thread;        // 0x48
    uint64_t read_only;     // 0x50
} shared_state;

#define SHARED 0x7abc1000
#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define AT(offset) TEXT(SHARED) "+" #offset

static shared_state *const shared = (shared_state *)SHARED;

void cjudge_enter(const cjudge_state *before, cjudge_state *after);
void cjudge_exit(void);
_Noreturn void cjudge_leave(void);

// cjudge_enter: loads the state and goes to its code. cjudge_exit: where that code goes in the end.
// cjudge_leave: back to the caller of cjudge_enter, from anywhere.
__asm__(
    ".text\n"
    ".globl cjudge_enter\n"
    "cjudge_enter:\n"
    "  push %rbx\n push %rbp\n push %r12\n push %r13\n push %r14\n push %r15\n"
    "  mov %rsp, " AT(0) "\n"
    "  mov %rsi, " AT(8) "\n"
    "  mov 128(%rdi), %rax\n mov %eax, " AT(0x10) "\n"
    "  mov 144(%rdi), %rax\n wrfsbase %rax\n"
    "  mov 152(%rdi), %rax\n wrgsbase %rax\n"
    "  fxrstor64 256(%rdi)\n"
    "  mov 176(%rdi), %rax\n test %rax, %rax\n"
    "  pushq 136(%rdi)\n"
    "  jnz 1f\n"
    "  popfq\n"
    "  mov 8(%rdi), %rcx\n mov 16(%rdi), %rdx\n mov 24(%rdi), %rbx\n mov 32(%rdi), %rsp\n"
    "  mov 40(%rdi), %rbp\n mov 48(%rdi), %rsi\n"
    "  mov 64(%rdi), %r8\n mov 72(%rdi), %r9\n mov 80(%rdi), %r10\n mov 88(%rdi), %r11\n"
    "  mov 96(%rdi), %r12\n mov 104(%rdi), %r13\n mov 112(%rdi), %r14\n mov 120(%rdi), %r15\n"
    "  mov 0(%rdi), %rax\n mov 56(%rdi), %rdi\n"
    // The low half of the target and the selector are eight bytes; the code lies below 4 GiB.
    "  movw $0x33, " AT(0x14) "\n"
    "  ljmp *" AT(0x10) "\n"
    "1:\n"
    "  movw $0x23, " AT(0x14) "\n"
    "  popfq\n"
    "  mov 8(%rdi), %rcx\n mov 16(%rdi), %rdx\n mov 24(%rdi), %rbx\n mov 32(%rdi), %rsp\n"
    "  mov 40(%rdi), %rbp\n mov 48(%rdi), %rsi\n"
    "  mov 64(%rdi), %r8\n mov 72(%rdi), %r9\n mov 80(%rdi), %r10\n mov 88(%rdi), %r11\n"
    "  mov 96(%rdi), %r12\n mov 104(%rdi), %r13\n mov 112(%rdi), %r14\n mov 120(%rdi), %r15\n"
    "  mov 0(%rdi), %rax\n mov 56(%rdi), %rdi\n"
    "  ljmp *" AT(0x10) "\n"
    ".globl cjudge_exit\n"
    "cjudge_exit:\n"
    "  mov %rdi, " AT(0x28) "\n"
    "  mov " AT(8) ", %rdi\n"
    "  mov %rax, 0(%rdi)\n mov %rcx, 8(%rdi)\n mov %rdx, 16(%rdi)\n mov %rbx, 24(%rdi)\n"
    "  mov %rsp, 32(%rdi)\n mov %rbp, 40(%rdi)\n mov %rsi, 48(%rdi)\n"
    "  mov " AT(0x28) ", %rax\n mov %rax, 56(%rdi)\n"
    "  mov %r8, 64(%rdi)\n mov %r9, 72(%rdi)\n mov %r10, 80(%rdi)\n mov %r11, 88(%rdi)\n"
    "  mov %r12, 96(%rdi)\n mov %r13, 104(%rdi)\n mov %r14, 112(%rdi)\n mov %r15, 120(%rdi)\n"
    "  mov " AT(0) ", %rsp\n"
    "  pushfq\n popq 136(%rdi)\n"
    "  fxsave64 256(%rdi)\n"
    "  rdfsbase %rax\n mov %rax, 144(%rdi)\n rdgsbase %rax\n mov %rax, 152(%rdi)\n"
    "  movq $" TEXT(0x7abc0000) ", 128(%rdi)\n"
    "  movl $0xff, 168(%rdi)\n"
    ".globl cjudge_leave\n"
    "cjudge_leave:\n"
    "  mov " AT(0) ", %rsp\n"
    "  pushq $0x202\n popfq\n"
    "  mov %fs, %ecx\n mov %gs, %edx\n mov $0x2b, %eax\n"
    "  cmp %eax, %ecx\n je 2f\n mov %eax, %fs\n2: cmp %eax, %edx\n je 3f\n mov %eax, %gs\n3:\n"
    "  mov " AT(0x18) ", %rax\n wrfsbase %rax\n mov " AT(0x20) ", %rax\n wrgsbase %rax\n"
    "  mov $0x2b, %eax\n mov %eax, %ds\n mov %eax, %es\n"
    "  fninit\n ldmxcsr " AT(0x30) "\n"
    "  pop %r15\n pop %r14\n pop %r13\n pop %r12\n pop %rbp\n pop %rbx\n"
    "  ret\n");

static uint64_t thread_number(void) {
    long number;
    __asm__ volatile("syscall" : "=a"(number) : "a"(SYS_gettid) : "rcx", "r11", "memory");
    return (uint64_t)number;
}

// Runs with the FS base of the code under judgement: no thread-local variables, no stack protector.
__attribute__((no_stack_protector)) static void take_exception(
    int number, siginfo_t *info, void *context) {
    // AC and DF may be set.
    __asm__ volatile("pushq $0x202\n popfq" ::: "cc", "memory");
    ucontext_t *user = context;
    if (!shared->active || thread_number() != shared->thread) {
        if (number == SIGPROF) return;
        struct sigaction usual = {.sa_handler = SIG_DFL};
        sigaction(number, &usual, NULL);
        return;
    }
    if (number == SIGPROF) {
        // Code under judgement lies below 256 MiB: elsewhere, the judge is at the case's end already.
        if (shared->seen != shared->serial || user->uc_mcontext.gregs[REG_RIP] >= 0x10000000) {
            shared->seen = shared->serial;
            // Linux does not give RFLAGS.ID back to who was interrupted.
            uint64_t flags = 0x202 | ((uint64_t)user->uc_mcontext.gregs[REG_EFL] & 0x200000);
            __asm__ volatile("pushq %0\n popfq" ::"r"(flags) : "cc", "memory");
            return;
        }
    }
    cjudge_state *after = (cjudge_state *)shared->after;
    const greg_t *from = user->uc_mcontext.gregs;
    static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                  REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                  REG_R12, REG_R13, REG_R14, REG_R15};
    for (int i = 0; i < 16; i++) after->general[i] = (uint64_t)from[order[i]];
    after->rip = (uint64_t)from[REG_RIP];
    after->rflags = (uint64_t)from[REG_EFL];
    after->cr2 = (uint64_t)from[REG_CR2];
    after->error = (uint32_t)from[REG_ERR];
    after->vector = number == SIGPROF ? 0xfe : number == SIGSYS ? 0xfd : (uint32_t)from[REG_TRAPNO];
    uint64_t base;
    __asm__ volatile("rdfsbase %0" : "=r"(base));
    after->fs_base = base;
    __asm__ volatile("rdgsbase %0" : "=r"(base));
    after->gs_base = base;
    const uint64_t *image = (const uint64_t *)user->uc_mcontext.fpregs;
    for (int i = 0; i < 64; i++) after->vectors[i] = image[i];
    // The mask of signals was not touched (SA_NODEFER), so the frame can just be left.
    cjudge_leave();
}

int cjudge_is_fit(void) {
    unsigned a, b, c, d;
    // "AuthenticAMD", and HWCAP2_FSGSBASE.
    return __get_cpuid(0, &a, &b, &c, &d) && b == 0x68747541 && d == 0x69746e65 &&
           c == 0x444d4163 && (getauxval(AT_HWCAP2) & 2) != 0;
}

static int map(uint64_t address, size_t count, int protection) {
    void *got = mmap((void *)address, count, protection,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
    if (got == MAP_FAILED) return -errno;
    return got == (void *)address ? 0 : -EEXIST;
}

int cjudge_prepare(void) {
    static int done = 1;
    if (done <= 0) return done;
    int all = PROT_READ | PROT_WRITE | PROT_EXEC;
    if ((done = map(CJUDGE_DATA, CJUDGE_DATA_BYTES, PROT_READ | PROT_WRITE)) < 0) return done;
    if ((done = map(CJUDGE_DATA + CJUDGE_DATA_BYTES, CJUDGE_READ_ONLY_BYTES, PROT_READ)) < 0)
        return done;
    if ((done = map(CJUDGE_CODE, CJUDGE_CODE_BYTES, all)) < 0) return done;
    if ((done = map(CJUDGE_EXIT, 4096, all)) < 0) return done;
    if ((done = map(SHARED, 4096, PROT_READ | PROT_WRITE)) < 0) return done;
    // jmp *2(%rip): alignment may be checked, so the target's address is aligned.
    static const uint8_t jump[8] = {0xff, 0x25, 2, 0, 0, 0, 0xcc, 0xcc};
    uint64_t target = (uint64_t)&cjudge_exit;
    memcpy((void *)CJUDGE_EXIT, jump, sizeof jump);
    memcpy((void *)(CJUDGE_EXIT + sizeof jump), &target, sizeof target);
    mprotect((void *)CJUDGE_EXIT, 4096, PROT_READ | PROT_EXEC);
    shared->mxcsr = 0x1f80;
    struct sigaction action = {.sa_sigaction = take_exception,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (sigaction(numbers[i], &action, NULL) < 0) return done = -errno;
    return done = 0;
}

int cjudge_enter_thread(void) {
    static uint8_t stack[256 << 10] __attribute__((aligned(64)));
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    if (sigaltstack(&alternative, NULL) < 0) return -errno;
    shared->thread = thread_number();
    // Flat segments, as 32-bit code needs them; FS keeps its base.
    uint64_t fs, gs;
    __asm__ volatile("rdfsbase %0" : "=r"(fs));
    __asm__ volatile("rdgsbase %0" : "=r"(gs));
    shared->host_fs = fs;
    shared->host_gs = gs;
    __asm__ volatile(
        "mov %0, %%ds\n mov %0, %%es\n mov %0, %%fs\n wrfsbase %1\n mov %0, %%gs\n wrgsbase %2" ::"r"(
            0x2b),
        "r"(fs), "r"(gs));
    return 0;
}

int cjudge_confine(void) {
    struct sigaction action = {.sa_sigaction = take_exception,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART};
    if (sigaction(SIGPROF, &action, NULL) < 0 || sigaction(SIGSYS, &action, NULL) < 0)
        return -errno;
    struct itimerval often = {.it_interval = {0, 4000}, .it_value = {0, 4000}};
    // Of the process's own time: others may have the processor meanwhile.
    if (setitimer(ITIMER_PROF, &often, NULL) < 0) return -errno;
#define ALLOW(number)                                   \
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), \
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
    struct sock_filter filter[] = {
        // Code under judgement lies below 256 MiB; the judge does not.
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + 4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x10000000, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        ALLOW(SYS_write), ALLOW(SYS_gettid), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_mmap),
        ALLOW(SYS_munmap), ALLOW(SYS_mremap), ALLOW(SYS_madvise), ALLOW(SYS_brk),
        ALLOW(SYS_mprotect), ALLOW(SYS_futex), ALLOW(SYS_clock_gettime), ALLOW(SYS_exit_group),
        ALLOW(SYS_rt_sigaction), ALLOW(SYS_restart_syscall), ALLOW(SYS_getrandom),
        ALLOW(SYS_fstat), ALLOW(SYS_lseek), ALLOW(SYS_newfstatat), ALLOW(SYS_rt_sigprocmask),
        ALLOW(SYS_sched_yield), ALLOW(SYS_ftruncate),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) return -errno;
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0) return -errno;
    return 0;
}

void cjudge_run(const void *before, void *after, size_t count) {
    const cjudge_state *from = before;
    cjudge_state *to = after;
    for (size_t i = 0; i < count; i++) {
        if (from[i].poke) memcpy((void *)from[i].poke, from[i].poked, 16);
        shared->serial++;
        shared->active = 1;
        cjudge_enter(&from[i], &to[i]);
        shared->active = 0;
        if (from[i].scrub) memset((void *)from[i].scrub, 0, from[i].scrub_count);
    }
}

void cjudge_write(uint64_t address, const void *bytes, size_t count) {
    memcpy((void *)address, bytes, count);
}

void cjudge_read(uint64_t address, void *bytes, size_t count) {
    memcpy(bytes, (const void *)address, count);
}

size_t cjudge_differs(uint64_t address, const void *bytes, size_t count) {
    const uint8_t *left = (const uint8_t *)address, *right = bytes;
    if (memcmp(left, right, count) == 0) return 0;
    size_t i = 0;
    while (left[i] == right[i]) i++;
    return i + 1;
}

#else

int cjudge_is_fit(void) { return 0; }
int cjudge_prepare(void) { return -ENOSYS; }
int cjudge_enter_thread(void) { return -ENOSYS; }
int cjudge_confine(void) { return -ENOSYS; }
void cjudge_run(const void *before, void *after, size_t count) {}
void cjudge_write(uint64_t address, const void *bytes, size_t count) {}
void cjudge_read(uint64_t address, void *bytes, size_t count) {}
size_t cjudge_differs(uint64_t address, const void *bytes, size_t count) { return 0; }

#endif
