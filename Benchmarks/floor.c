// SPDX-License-Identifier: Apache-2.0
// The requests of a start of the monitor, and nothing else: Benchmarks/floor.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/kvm.h>
#include <linux/landlock.h>
#include <linux/mount.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "filters.h"

enum { ram_size = 128 << 20, page_tables = 0x9000, entry = 0x100000 };

static struct {
    const char *name;
    uint64_t time;
} steps[32];
static int step_count;

static void step(const char *name) {
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    steps[step_count].name = name;
    steps[step_count++].time = (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

static long must(long result, const char *what) {
    if (result < 0) {
        perror(what);
        _exit(1);
    }
    return result;
}
#define MUST(call) must(call, #call)

#define CONFINE(filter) confine(filter, sizeof filter / sizeof *filter)
static void confine(uint64_t *filter, size_t count) {
    struct sock_fprog program = {(unsigned short)count, (struct sock_filter *)filter};
    MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
}

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static int vcpu;
static uint8_t *ram;

static void *run(void *none) {
    CONFINE(vcpu_filter);
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    step("filters");
    MUST(ioctl(vcpu, KVM_RUN, 0));
    step("KVM_RUN to the first exit");
    char text[2048];
    int used = 0;
    for (int index = 0; index < step_count; index++)
        used += snprintf(
            text + used, sizeof text - (size_t)used, "%llu %s\n",
            (unsigned long long)(steps[index].time - (index ? steps[index - 1].time : 0)),
            steps[index].name);
    used += snprintf(
        text + used, sizeof text - (size_t)used, "%llu all\n",
        (unsigned long long)steps[step_count - 1].time);
    if (write(3, text, (size_t)used) != used) _exit(1);
    _exit(0);
    return none;
}

static sigset_t requests;
static void end(int signal) { _exit(signal); }

static void make_loop(int loop) {
    struct epoll_event input = {.events = EPOLLIN};
    MUST(epoll_ctl(loop, EPOLL_CTL_ADD, (int)MUST(eventfd(0, EFD_NONBLOCK)), &input));
    const int signals[] = {SIGTERM, SIGINT, SIGHUP, SIGALRM};
    sigemptyset(&requests);
    for (int index = 0; index < 4; index++) sigaddset(&requests, signals[index]);
    sigprocmask(SIG_BLOCK, &requests, 0);
    struct sigaction action = {.sa_handler = end, .sa_flags = SA_RESTART};
    for (int index = 0; index < 4; index++) MUST(sigaction(signals[index], &action, 0));
}

static void make_memory(void) {
    int file = (int)MUST(memfd_create("guest-memory", MFD_CLOEXEC));
    MUST(ftruncate(file, ram_size));
    ram = mmap(0, ram_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
    if (ram == MAP_FAILED) _exit(1);
    step("guest memory: file and mapping");
    // The boot timer's byte, with 4 GiB mapped in pages of 2 MiB.
    memcpy(ram + entry, "\xb0\x7b\x67\xa2\x00\x00\x00\xc0", 8);
    uint64_t *table = (uint64_t *)(ram + page_tables);
    table[0] = (page_tables + 0x1000) | 3;
    for (uint64_t index = 0; index < 4; index++)
        table[512 + index] = (page_tables + 0x2000 + index * 0x1000) | 3;
    for (uint64_t index = 0; index < 2048; index++) table[1024 + index] = index << 21 | 0x83;
    step("guest memory: page tables");
}

static void set_registers(void) {
    struct kvm_lapic_state apic;
    MUST(ioctl(vcpu, KVM_GET_LAPIC, &apic));
    MUST(ioctl(vcpu, KVM_SET_LAPIC, &apic));
    struct kvm_sregs system;
    MUST(ioctl(vcpu, KVM_GET_SREGS, &system));
    struct kvm_segment data = {
        .selector = 24, .limit = ~0U, .type = 3, .present = 1, .s = 1, .g = 1, .db = 1};
    system.ds = system.es = system.fs = system.gs = system.ss = data;
    system.cs = data;
    system.cs.selector = 16, system.cs.type = 11, system.cs.db = 0, system.cs.l = 1;
    system.cr0 = 0x80000011, system.cr3 = page_tables, system.cr4 = 0x20, system.efer = 0x500;
    MUST(ioctl(vcpu, KVM_SET_SREGS, &system));
    struct kvm_regs general = {.rip = entry, .rflags = 2, .rsp = 0x8ff0};
    MUST(ioctl(vcpu, KVM_SET_REGS, &general));
}

static void make_machine(void) {
    int kvm = (int)MUST(open("/dev/kvm", O_RDWR | O_CLOEXEC));
    int vm = (int)MUST(ioctl(kvm, KVM_CREATE_VM, 0));
    step("KVM_CREATE_VM");
    struct kvm_userspace_memory_region region = {
        .memory_size = ram_size, .userspace_addr = (uintptr_t)ram};
    MUST(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region));
    step("KVM_SET_USER_MEMORY_REGION");
    uint64_t identity = 0xfffbc000;
    MUST(ioctl(vm, KVM_SET_IDENTITY_MAP_ADDR, &identity));
    MUST(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000));
    MUST(ioctl(vm, KVM_CREATE_IRQCHIP, 0));
    struct kvm_pit_config pit = {0};
    MUST(ioctl(vm, KVM_CREATE_PIT2, &pit));
    step("KVM_CREATE_IRQCHIP, KVM_CREATE_PIT2");
    static struct {
        struct kvm_cpuid2 head;
        struct kvm_cpuid_entry2 entries[128];
    } cpuid;
    // What a monitor has kept since this host was started: a line, then the table.
    char kept[4096 + sizeof cpuid];
    int memo = open("/run/swiftlet/kvm-host", O_RDONLY | O_CLOEXEC);
    ssize_t length = memo < 0 ? 0 : read(memo, kept, sizeof kept);
    char *table = length > 0 ? memchr(kept, '\n', (size_t)length) : 0;
    size_t size = table ? (size_t)(kept + length - ++table) : 0;
    if (size > sizeof cpuid.head && size <= sizeof cpuid) {
        memcpy(&cpuid, table, size);
        step("CPUID, remembered");
    } else {
        cpuid.head.nent = 128;
        MUST(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, &cpuid));
        step("KVM_GET_SUPPORTED_CPUID");
    }
    long pages = MUST(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0));
    vcpu = (int)MUST(ioctl(vm, KVM_CREATE_VCPU, 0));
    if (mmap(0, (size_t)pages, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0) == MAP_FAILED) _exit(1);
    step("KVM_CREATE_VCPU");
    MUST(ioctl(vcpu, KVM_SET_CPUID2, &cpuid));
    set_registers();
    step("KVM_SET_CPUID2 and registers");
}

static void leave_host(void) {
    // The one that the monitors of root share, if one has been started since the host was.
    int kept = open("/run/swiftlet/empty-network", O_RDONLY | O_CLOEXEC);
    if (kept < 0 || setns(kept, CLONE_NEWNET) < 0) MUST(unshare(CLONE_NEWNET));
    step("network namespace");
    MUST(unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC));
    step("mount, UTS and IPC namespaces");
    MUST(mount(0, "/", 0, MS_REC | MS_PRIVATE, 0));
    int context = (int)MUST(syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC));
    MUST(syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, 0, 0, 0));
    int root = (int)MUST(syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, 0));
    MUST(syscall(SYS_move_mount, root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
    MUST(fchdir(root));
    MUST(syscall(SYS_pivot_root, ".", "."));
    MUST(umount2(".", MNT_DETACH));
    MUST(mount(0, "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY, 0));
    step("empty root");
}

static void shut_in(void) {
    MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    uint64_t rights[3] = {(1 << 13) - 1};
    int rules = (int)MUST(syscall(SYS_landlock_create_ruleset, rights, 8, 0));
    MUST(syscall(SYS_landlock_restrict_self, rules, 0));
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    MUST(syscall(SYS_capset, &head, none));
    step("Landlock, capabilities");
}

int main(void) {
    step("exec");
    int loop = (int)MUST(epoll_create1(EPOLL_CLOEXEC));
    make_loop(loop);
    step("event loop");
    make_memory();
    make_machine();
    leave_host();
    shut_in();
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_t thread;
    pthread_mutex_lock(&gate);
    pthread_attr_setstacksize(&attributes, 4 << 20);
    if (pthread_create(&thread, &attributes, run, 0) != 0) return 1;
    step("a thread");
    CONFINE(loop_filter);
    step("filter of the loop");
    pthread_mutex_unlock(&gate);
    sigprocmask(SIG_UNBLOCK, &requests, 0);
    struct epoll_event event;
    while (epoll_wait(loop, &event, 1, -1) >= 0);
    return 1;
}
