// SPDX-License-Identifier: Apache-2.0
// What <linux/kvm.h> says in macros, unions and flexible arrays, none of which import into Swift.
// Each number is the header's own; none is typed again.
#pragma once

#include <errno.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

_Static_assert(KVM_API_VERSION == 12, "the interface this engine is written for");
_Static_assert(offsetof(struct kvm_run, immediate_exit) == 1, "the byte that kicks write");
_Static_assert(sizeof(struct kvm_lapic_state) == 1024, "one register page");
_Static_assert(sizeof(struct kvm_cpuid_entry2) == 40 && offsetof(struct kvm_cpuid2, entries) == 8, "");
_Static_assert(sizeof(struct kvm_msr_entry) == 16 && offsetof(struct kvm_msrs, entries) == 8, "");

_Static_assert(sizeof(struct kvm_irqchip) == 520 && offsetof(struct kvm_irqchip, chip) == 8, "");
_Static_assert(offsetof(struct kvm_ioapic_state, redirtbl) == 24, "after six words");
_Static_assert(sizeof(struct kvm_reinject_control) == 32, "eight words");
_Static_assert(sizeof(struct kvm_irq_level) == 8 && offsetof(struct kvm_irq_level, level) == 4, "");

#define CKVM_REQUEST(name) static const unsigned long C##name = name
#define CKVM_NUMBER(name) static const uint32_t C##name = name

CKVM_NUMBER(KVM_API_VERSION);

// To /dev/kvm.
CKVM_REQUEST(KVM_GET_API_VERSION);
CKVM_REQUEST(KVM_CREATE_VM);
CKVM_REQUEST(KVM_CHECK_EXTENSION);
CKVM_REQUEST(KVM_GET_VCPU_MMAP_SIZE);
CKVM_REQUEST(KVM_GET_MSR_INDEX_LIST);
CKVM_REQUEST(KVM_GET_SUPPORTED_CPUID);

// To a virtual machine.
CKVM_REQUEST(KVM_CREATE_VCPU);
CKVM_REQUEST(KVM_SET_USER_MEMORY_REGION);
CKVM_REQUEST(KVM_SET_TSS_ADDR);
CKVM_REQUEST(KVM_SET_IDENTITY_MAP_ADDR);
CKVM_REQUEST(KVM_CREATE_IRQCHIP);
CKVM_REQUEST(KVM_CREATE_PIT2);
CKVM_REQUEST(KVM_REINJECT_CONTROL);
CKVM_REQUEST(KVM_IRQ_LINE);
CKVM_REQUEST(KVM_IRQFD);
CKVM_REQUEST(KVM_IOEVENTFD);
CKVM_REQUEST(KVM_GET_IRQCHIP);
CKVM_REQUEST(KVM_SET_IRQCHIP);
CKVM_REQUEST(KVM_GET_PIT2);
CKVM_REQUEST(KVM_SET_PIT2);
CKVM_REQUEST(KVM_GET_CLOCK);
CKVM_REQUEST(KVM_SET_CLOCK);
CKVM_REQUEST(KVM_ENABLE_CAP);
CKVM_REQUEST(KVM_X86_SET_MSR_FILTER);

// To a vCPU.
CKVM_REQUEST(KVM_RUN);
CKVM_REQUEST(KVM_GET_REGS);
CKVM_REQUEST(KVM_SET_REGS);
CKVM_REQUEST(KVM_GET_SREGS);
CKVM_REQUEST(KVM_SET_SREGS);
CKVM_REQUEST(KVM_GET_XSAVE);
CKVM_REQUEST(KVM_GET_XSAVE2);
CKVM_REQUEST(KVM_SET_XSAVE);
CKVM_REQUEST(KVM_GET_XCRS);
CKVM_REQUEST(KVM_SET_XCRS);
CKVM_REQUEST(KVM_GET_DEBUGREGS);
CKVM_REQUEST(KVM_SET_DEBUGREGS);
CKVM_REQUEST(KVM_GET_MSRS);
CKVM_REQUEST(KVM_SET_MSRS);
CKVM_REQUEST(KVM_GET_VCPU_EVENTS);
CKVM_REQUEST(KVM_SET_VCPU_EVENTS);
CKVM_REQUEST(KVM_GET_MP_STATE);
CKVM_REQUEST(KVM_SET_MP_STATE);
CKVM_REQUEST(KVM_GET_LAPIC);
CKVM_REQUEST(KVM_SET_LAPIC);
CKVM_REQUEST(KVM_SET_CPUID2);
CKVM_REQUEST(KVM_GET_TSC_KHZ);
CKVM_REQUEST(KVM_SET_TSC_KHZ);
CKVM_REQUEST(KVM_KVMCLOCK_CTRL);
CKVM_REQUEST(KVM_GET_STATS_FD);
CKVM_REQUEST(KVM_SET_GUEST_DEBUG);
CKVM_REQUEST(KVM_TRANSLATE);

CKVM_NUMBER(KVM_CAP_IRQCHIP);
CKVM_NUMBER(KVM_CAP_USER_MEMORY);
CKVM_NUMBER(KVM_CAP_NR_MEMSLOTS);
CKVM_NUMBER(KVM_CAP_READONLY_MEM);
CKVM_NUMBER(KVM_MEM_READONLY);
CKVM_NUMBER(KVM_CAP_SET_TSS_ADDR);
CKVM_NUMBER(KVM_CAP_EXT_CPUID);
CKVM_NUMBER(KVM_CAP_MAX_VCPUS);
CKVM_NUMBER(KVM_CAP_MP_STATE);
CKVM_NUMBER(KVM_CAP_PIT2);
CKVM_NUMBER(KVM_CAP_IRQFD);
CKVM_NUMBER(KVM_CAP_IOEVENTFD);
CKVM_NUMBER(KVM_CAP_ADJUST_CLOCK);
CKVM_NUMBER(KVM_CAP_VCPU_EVENTS);
CKVM_NUMBER(KVM_CAP_DEBUGREGS);
CKVM_NUMBER(KVM_CAP_XSAVE);
CKVM_NUMBER(KVM_CAP_XSAVE2);
CKVM_NUMBER(KVM_CAP_XCRS);
CKVM_NUMBER(KVM_CAP_SET_IDENTITY_MAP_ADDR);
CKVM_NUMBER(KVM_CAP_TSC_CONTROL);
CKVM_NUMBER(KVM_CAP_GET_TSC_KHZ);
CKVM_NUMBER(KVM_CAP_TSC_DEADLINE_TIMER);
CKVM_NUMBER(KVM_CAP_IMMEDIATE_EXIT);
CKVM_NUMBER(KVM_CAP_BINARY_STATS_FD);

CKVM_NUMBER(KVM_EXIT_IO);
CKVM_NUMBER(KVM_EXIT_DEBUG);
CKVM_NUMBER(KVM_EXIT_X86_WRMSR);
CKVM_NUMBER(KVM_GUESTDBG_ENABLE);
CKVM_NUMBER(KVM_GUESTDBG_SINGLESTEP);
CKVM_NUMBER(KVM_GUESTDBG_USE_HW_BP);
CKVM_NUMBER(KVM_CAP_X86_USER_SPACE_MSR);
CKVM_NUMBER(KVM_CAP_X86_MSR_FILTER);
CKVM_NUMBER(KVM_MSR_EXIT_REASON_FILTER);
CKVM_NUMBER(KVM_EXIT_MMIO);
CKVM_NUMBER(KVM_EXIT_HLT);
CKVM_NUMBER(KVM_EXIT_INTR);
CKVM_NUMBER(KVM_EXIT_SHUTDOWN);
CKVM_NUMBER(KVM_EXIT_FAIL_ENTRY);
CKVM_NUMBER(KVM_EXIT_INTERNAL_ERROR);
CKVM_NUMBER(KVM_EXIT_SYSTEM_EVENT);
CKVM_NUMBER(KVM_INTERNAL_ERROR_EMULATION);
CKVM_NUMBER(KVM_INTERNAL_ERROR_SIMUL_EX);
CKVM_NUMBER(KVM_INTERNAL_ERROR_DELIVERY_EV);
CKVM_NUMBER(KVM_INTERNAL_ERROR_UNEXPECTED_EXIT_REASON);

CKVM_NUMBER(KVM_PIT_SPEAKER_DUMMY);
CKVM_NUMBER(KVM_IRQCHIP_PIC_MASTER);
CKVM_NUMBER(KVM_IRQCHIP_PIC_SLAVE);
CKVM_NUMBER(KVM_IRQCHIP_IOAPIC);
CKVM_NUMBER(KVM_IRQFD_FLAG_DEASSIGN);
CKVM_NUMBER(KVM_IOEVENTFD_FLAG_DEASSIGN);
CKVM_NUMBER(KVM_CPUID_FLAG_SIGNIFCANT_INDEX);
CKVM_NUMBER(KVM_PIT_FLAGS_SPEAKER_DATA_ON);
CKVM_NUMBER(KVM_CLOCK_REALTIME);
CKVM_NUMBER(KVM_VCPUEVENT_VALID_NMI_PENDING);
CKVM_NUMBER(KVM_VCPUEVENT_VALID_SIPI_VECTOR);
CKVM_NUMBER(KVM_VCPUEVENT_VALID_SHADOW);
CKVM_NUMBER(KVM_VCPUEVENT_VALID_SMM);

#undef CKVM_REQUEST
#undef CKVM_NUMBER

/// Starts the guest; 0, or the negated errno.
static inline int clinux_kvm_run(int vcpu) {
    int result = ioctl(vcpu, KVM_RUN, 0);
    return result < 0 ? -errno : result;
}

// The page that a vCPU shares with the kernel. Only the vCPU's thread reads it.

/// Makes the run that is about to begin end at once (1), or not (0). Any thread.
static inline void clinux_kvm_set_immediate_exit(struct kvm_run *page, uint8_t value) {
    __atomic_store_n(&page->immediate_exit, value, __ATOMIC_SEQ_CST);
}
static inline uint32_t clinux_kvm_exit_reason(const struct kvm_run *page) { return page->exit_reason; }

struct clinux_kvm_port {
    uint8_t is_write;
    uint8_t size;
    uint16_t port;
    uint32_t count;
    /// Of the first value, from the beginning of the page.
    uint64_t offset;
};
static inline struct clinux_kvm_port clinux_kvm_port(const struct kvm_run *page) {
    return (struct clinux_kvm_port){
        .is_write = page->io.direction == KVM_EXIT_IO_OUT,
        .size = page->io.size,
        .port = page->io.port,
        .count = page->io.count,
        .offset = page->io.data_offset,
    };
}

struct clinux_kvm_access {
    uint64_t address;
    uint32_t size;
    uint8_t is_write;
};
static inline struct clinux_kvm_access clinux_kvm_access(const struct kvm_run *page) {
    return (struct clinux_kvm_access){
        .address = page->mmio.phys_addr, .size = page->mmio.len, .is_write = page->mmio.is_write};
}
/// Where the bytes of a memory-mapped access lie.
static inline uint8_t *clinux_kvm_access_data(struct kvm_run *page) { return page->mmio.data; }

struct clinux_kvm_register_write {
    uint32_t number;
    uint64_t value;
};
static inline struct clinux_kvm_register_write clinux_kvm_register_write(const struct kvm_run *page) {
    return (struct clinux_kvm_register_write){.number = page->msr.index, .value = page->msr.data};
}
/// Whether the write that the kernel asks about is refused: #GP(0).
static inline void clinux_kvm_refuse_write(struct kvm_run *page, uint8_t refused) {
    page->msr.error = refused;
}
/// Makes guest writes of the register `number` exits, for a machine that may have such exits.
static inline int clinux_kvm_watch_register(int machine, uint32_t number) {
    uint8_t none = 0;
    struct kvm_msr_filter filter = {.flags = KVM_MSR_FILTER_DEFAULT_ALLOW};
    filter.ranges[0] = (struct kvm_msr_filter_range){
        .flags = KVM_MSR_FILTER_WRITE, .nmsrs = 1, .base = number, .bitmap = &none};
    int result = ioctl(machine, KVM_X86_SET_MSR_FILTER, &filter);
    return result < 0 ? -errno : result;
}
static inline uint64_t clinux_kvm_entry_failure(const struct kvm_run *page) {
    return page->fail_entry.hardware_entry_failure_reason;
}
static inline uint32_t clinux_kvm_system_event(const struct kvm_run *page) {
    return page->system_event.type;
}
static inline uint32_t clinux_kvm_internal_error(const struct kvm_run *page) {
    return page->internal.suberror;
}
/// What the kernel says besides of an internal error; how many words of `words` it has set.
static inline uint32_t clinux_kvm_internal_data(const struct kvm_run *page, uint64_t words[16]) {
    uint32_t count = page->internal.ndata;
    if (count > 16) count = 16;
    for (uint32_t i = 0; i < count; i++) words[i] = page->internal.data[i];
    return count;
}
/// The bytes of the instruction that the kernel could not emulate; how many of them it knows.
static inline uint32_t clinux_kvm_instruction(const struct kvm_run *page, uint8_t bytes[15]) {
    if (page->emulation_failure.ndata < 3) return 0;
    if (!(page->emulation_failure.flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES)) return 0;
    uint32_t size = page->emulation_failure.insn_size;
    if (size > 15) size = 15;
    for (uint32_t i = 0; i < size; i++) bytes[i] = page->emulation_failure.insn_bytes[i];
    return size;
}

// The signal that breaks a run. A real-time signal would be queued each time anew, and refused once the
// queue is full, which is the user's and not the process's: a kick would be lost. This one waits once and
// needs no room. Nobody else sends it here, and where it has no handler it does nothing. signal(7).
#define CLINUX_KVM_KICK SIGURG

static void clinux_kvm_ignore_kick(int signal) { (void)signal; }
/// Lets a kick interrupt system calls of whoever gets it, and do nothing else.
__attribute__((unused)) static void clinux_kvm_install_kick(void) {
    struct sigaction action = {.sa_handler = clinux_kvm_ignore_kick, .sa_flags = SA_RESTART};
    sigaction(CLINUX_KVM_KICK, &action, 0);
}
/// The calling thread's number, which takes kicks from now on.
static inline int clinux_kvm_own_thread(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, CLINUX_KVM_KICK);
    pthread_sigmask(SIG_UNBLOCK, &set, 0);
    return (int)syscall(SYS_gettid);
}
static inline void clinux_kvm_kick(int thread) {
    syscall(SYS_tgkill, getpid(), thread, CLINUX_KVM_KICK);
}
