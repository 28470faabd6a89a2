// SPDX-License-Identifier: Apache-2.0
// Entry, exceptions, and the choice of a case by the word `case=` of the command line.
//
// Ends with 42 if the case was survived, 66 and a line on the serial port if not.
#include "hostile_driver.h"

__asm__(".section .multiboot, \"ax\"\n"
        ".balign 4\n"
        ".long 0x1badb002, 0, -0x1badb002\n"
        ".globl start\n"
        "start:\n"
        "  cli\n"
        "  cld\n"
        "  movl $stack_top, %esp\n"
        "  pushl %ebx\n"
        "  call set_up\n"
        "  call hostile_main\n"
        "  .bss\n"
        "  .balign 16\n"
        "  .space 65536\n"
        "stack_top:\n"
        "  .text\n");

volatile int last_vector;
volatile u32 recover;
volatile u32 interrupts;

// MARK: Exceptions

struct frame {
    u32 edi, esi, ebp, esp, ebx, edx, ecx, eax, vector, error, eip, cs, eflags;
};

__attribute__((used)) static void on_exception(struct frame *frame) {
    if (frame->vector >= 32) {
        // A timer that leaves no time for anything else is enough after a while.
        if (++interrupts == 5000) {
            *(volatile u32 *)0xfee00320 = 0x10000;
            out8(0x21, 0xff);
        }
        out8(0xa0, 0x20);
        out8(0x20, 0x20);
        *(volatile u32 *)0xfee000b0 = 0;
        return;
    }
    last_vector = (int)frame->vector;
    // An NMI goes on where it came; everything else where somebody waits for it.
    if (frame->vector == 2) return;
    if (!recover) fail("an exception that nobody waits for");
    frame->eip = recover;
    recover = 0;
}

__asm__(".text\n"
        ".set vector, 0\n"
        "stubs:\n"
        ".rept 256\n"
        "  .balign 16\n"
        "  .if vector != 8 && (vector < 10 || vector > 14) && vector != 17 && vector != 21\n"
        "    pushl $0\n"
        "  .endif\n"
        "  pushl $vector\n"
        "  jmp common\n"
        "  .set vector, vector + 1\n"
        ".endr\n"
        "common:\n"
        "  pushal\n"
        "  pushl %esp\n"
        "  call on_exception\n"
        "  addl $4, %esp\n"
        "  popal\n"
        "  addl $8, %esp\n"
        "  iret\n");

static u64 gdt[3] = {0, 0x00cf9b000000ffffull, 0x00cf93000000ffffull};
static u64 idt[256];
struct __attribute__((packed)) table {
    u16 limit;
    u32 base;
};

/// Segments and gates of ours for the processor that calls.
void set_tables(void) {
    struct table gdtr = {sizeof gdt - 1, (u32)gdt}, idtr = {sizeof idt - 1, (u32)idt};
    __asm__ volatile("lgdt %0\n\tlidt %1\n\t"
                     "ljmp $8, $1f\n1:\n\t"
                     "movl $16, %%eax\n\tmovl %%eax, %%ds\n\tmovl %%eax, %%es\n\t"
                     "movl %%eax, %%ss\n\tmovl %%eax, %%fs\n\tmovl %%eax, %%gs"
                     : : "m"(gdtr), "m"(idtr) : "eax", "memory");
}

__attribute__((used)) static void set_up(void) {
    extern char stubs[];
    for (u32 vector = 0; vector < 256; vector++) {
        u32 address = (u32)stubs + vector * 16;
        idt[vector] = (u64)(address & 0xffff0000) << 32 | (u64)0x8e00 << 32 | 8u << 16 |
                      (address & 0xffff);
    }
    set_tables();
    // The 8259s interrupt from vector 32 on, and are silent.
    static const u8 words[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 32}, {0xa1, 40}, {0x21, 4},
                                  {0xa1, 2},    {0x21, 1},    {0xa1, 1},  {0x21, 0xff}, {0xa1, 0xff}};
    for (u32 index = 0; index < sizeof words / 2; index++) out8(words[index][0], words[index][1]);
}

// MARK: The end

void finish(u32 status) {
    for (;;) out8(0xf4, (u8)status);
}

static void say(const char *text) {
    for (; *text; text++) {
        while (!(in8(0x3fd) & 0x20)) {}
        out8(0x3f8, (u8)*text);
    }
}

const char *about = "";

void fail(const char *text) {
    say("hostile: ");
    say(about);
    say(text);
    say("\n");
    finish(66);
}

// MARK: The choice

static int matches(const char *line, const char *name) {
    while (*name) {
        if (*line++ != *name++) return 0;
    }
    return *line == 0 || *line == ' ';
}

static void choose(const struct hostile_case *cases, const char *wanted) {
    for (; cases->name; cases++) {
        if (!matches(wanted, cases->name)) continue;
        cases->run();
        finish(42);
    }
}

__attribute__((used)) void hostile_main(const u32 *information) {
    if (!(information[0] & 4)) fail("no command line");
    for (const char *line = (const char *)information[4]; *line; line++) {
        if (line[0] == 'c' && line[1] == 'a' && line[2] == 's' && line[3] == 'e' &&
            line[4] == '=') {
            choose(cpu_cases, line + 5);
            look();
            choose(virtio_cases, line + 5);
            choose(device_cases, line + 5);
            choose(many_cases, line + 5);
        }
    }
    fail("no such case");
}
