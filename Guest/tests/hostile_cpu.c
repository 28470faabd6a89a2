// SPDX-License-Identifier: Apache-2.0
// Ports, memory that is none, and instructions that nobody should need.
#include "hostile.h"

/// The machine's own way out lies here: what reaches into it is left alone.
static int is_exit(u32 port, u32 size) { return port + size > 0xf4 && port < 0xf8; }

static void ports(void) {
    for (u32 port = 0; port < 0x10000; port++) {
        if (!is_exit(port, 1)) {
            in8((u16)port);
            out8((u16)port, 0);
            out8((u16)port, 0xff);
        }
        if (!is_exit(port, 4)) {
            in32((u16)port);
            out32((u16)port, 0xffffffff);
            in16((u16)port);
            out16((u16)port, 0x5555);
        }
    }
}

static void string_ports(void) {
    static const u32 places[] = {0x1000,     0x1fff,     0x9fffe,    0xf0000,   0x3fffffe,
                                 0x3ffffff,  0xbffffffe, 0xc0000ffe, 0xd0000000, 0xfee00ffe,
                                 0xfffffffe, 0xffffffff};
    for (u32 index = 0; index < sizeof places / 4; index++) {
        u32 place = places[index], count = 300;
        TRY("rep outsb", : "+S"(place), "+c"(count) : "d"(0x80) : "memory");
        place = places[index], count = 300;
        TRY("rep outsl", : "+S"(place), "+c"(count) : "d"(0x80) : "memory");
        place = places[index], count = 300;
        TRY("std\n\trep outsw\n\tcld", : "+S"(place), "+c"(count) : "d"(0x80) : "memory");
        __asm__ volatile("cld");
        // Input goes to what is no RAM, or none of ours.
        if (place < 0x100000 && place != 0xf0000) continue;
        place = places[index], count = 3;
        TRY("rep insb", : "+D"(place), "+c"(count) : "d"(0x71) : "memory");
        place = places[index], count = 3;
        TRY("rep insl", : "+D"(place), "+c"(count) : "d"(0x71) : "memory");
    }
}

/// Memory that is ROM on a PC, holes, and the ends of everything.
static void no_memory(void) {
    static const u32 places[] = {0xa0000,    0xc0000,    0xf0000,    0xfffff,    0x3fffffc,
                                 0x4000000,  0x3ffffff,  0x7fffffff, 0xbfffffff, 0xc0000000,
                                 0xc0000fff, 0xc0020000, 0xd0000000, 0xfec00fff, 0xfed00000,
                                 0xfee00fff, 0xffff0000, 0xfffffff0, 0xfffffffd, 0xffffffff};
    for (u32 index = 0; index < sizeof places / 4; index++) {
        volatile u8 *place = (volatile u8 *)places[index];
        TRY("movb %0, %%al\n\tmovb $0x5a, %0", : : "m"(*place) : "eax", "memory");
        TRY("movw %0, %%ax\n\tmovw $0x5a5a, %0", : : "m"(*place) : "eax", "memory");
        TRY("movl %0, %%eax\n\tmovl $0x5a5a5a5a, %0", : : "m"(*place) : "eax", "memory");
        TRY("lock addl $1, %0", : : "m"(*place) : "memory");
        TRY("lock cmpxchg8b %0", : : "m"(*place) : "eax", "memory");
        TRY("btsl $7, %0", : : "m"(*(volatile u32 *)place) : "memory");
    }
}

static int read_msr(u32 number, u32 *low, u32 *high) {
    return TRY("rdmsr", : "=a"(*low), "=d"(*high) : "c"(number));
}
static int write_msr(u32 number, u32 low, u32 high) {
    return TRY("wrmsr", : : "a"(low), "d"(high), "c"(number));
}

static void msrs(void) {
    static const u32 ranges[][2] = {{0, 0x1200},
                                    {0x4b564cf0, 0x4b564d20},
                                    {0x40000000, 0x40000120},
                                    {0xc0000000, 0xc0000300},
                                    {0xc0010000, 0xc0010200},
                                    {0xc0011000, 0xc0011040},
                                    {0xfffffff0, 0xffffffff}};
    for (u32 range = 0; range < sizeof ranges / 8; range++) {
        for (u32 number = ranges[range][0]; number < ranges[range][1]; number++) {
            u32 low = 0, high = 0;
            int fault = read_msr(number, &low, &high);
            EXPECT(fault == -1 || fault == 13, "reading an MSR made another exception than #GP");
            static const u32 values[][2] = {
                {0xffffffff, 0xffffffff}, {0x1, 0xfffff000}, {0xfffff001, 0xff}, {0xd0000001, 0}};
            for (u32 index = 0; index < sizeof values / 8; index++) {
                // Turning its APIC off or away is a guest's right, and its end.
                if (number == 0x1b && index > 0) continue;
                int result = write_msr(number, values[index][0], values[index][1]);
                EXPECT(result == -1 || result == 13,
                       "writing an MSR made another exception than #GP");
            }
            if (fault == -1) write_msr(number, low, high);
        }
    }
}

static void cpuid_leaves(void) {
    static const u32 starts[] = {0, 0x40000000, 0x80000000, 0xc0000000, 0xffffff00};
    u32 sum = 0;
    for (u32 start = 0; start < sizeof starts / 4; start++) {
        for (u32 leaf = 0; leaf < 0x80; leaf++) {
            for (u32 sub = 0; sub < 70; sub += sub < 4 ? 1 : 13) {
                u32 a = starts[start] + leaf, b, c = sub == 69 ? 0xffffffff : sub, d;
                __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
                sum += a ^ b ^ c ^ d;
            }
        }
    }
    EXPECT(sum != 0, "CPUID says nothing at all");
}

/// Instructions of hypervisors, firmware and enclaves: an exception each, or nothing.
static void virtualization(void) {
    static u64 area[512] __attribute__((aligned(4096)));
    void *pointer = &area;
    TRY("vmxon (%0)", : : "r"(&pointer) : "memory");
    TRY("vmclear (%0)", : : "r"(&pointer) : "memory");
    TRY("vmptrld (%0)", : : "r"(&pointer) : "memory");
    TRY("vmlaunch", : : : "memory");
    TRY("vmresume", : : : "memory");
    TRY("vmxoff", : : : "memory");
    TRY("vmread %%eax, %%eax", : : : "eax");
    TRY("vmwrite %%eax, %%eax", : : : "memory");
    TRY("invept (%0), %%eax", : : "r"(area) : "memory");
    TRY("invvpid (%0), %%eax", : : "r"(area) : "memory");
    for (u32 number = 0; number < 20; number++) {
        u32 a = number;
        TRY("vmcall", : "+a"(a) : "b"(0xffffffff), "c"(0xffffffff), "d"(0xffffffff), "S"(-1) : "memory");
        a = number;
        TRY("vmmcall", : "+a"(a) : "b"(0xffffffff), "c"(0xffffffff), "d"(0xffffffff), "S"(-1) : "memory");
    }
    TRY("vmrun", : : "a"(area) : "memory");
    TRY("vmload", : : "a"(area) : "memory");
    TRY("vmsave", : : "a"(area) : "memory");
    TRY("stgi", : : : "memory");
    TRY("clgi", : : : "memory");
    TRY("skinit", : : "a"(area) : "memory");
    TRY("invlpga", : : "a"(area), "c"(0) : "memory");
    TRY("rsm", : : : "memory");
    TRY(".byte 0x0f, 0x37", : : "a"(0) : "memory", "ebx", "ecx", "edx"); // getsec
    TRY(".byte 0x0f, 0x01, 0xcf", : : "a"(0) : "memory", "ebx", "ecx", "edx"); // encls
    TRY(".byte 0x0f, 0x01, 0xd7", : : "a"(0) : "memory", "ebx", "ecx", "edx"); // enclu
    TRY("monitor", : : "a"(area), "c"(0), "d"(0) : "memory");
    TRY(".byte 0x0f, 0x3f", : : : "memory");
    EXPECT(TRY("ud2", : : : "memory") == 6, "UD2 made no #UD");
}

/// The shortest periods that a PIT can be asked for, with its interrupt let through.
static void timer_flood(void) {
    static const u16 counts[] = {1, 2, 3, 0};
    u32 seen = 0;
    for (u32 mode = 0; mode < 6; mode++) {
        for (u32 index = 0; index < sizeof counts / 2; index++) {
            interrupts = 0;
            out8(0x21, 0xfe);
            out8(0x43, (u8)(0x30 | mode << 1));
            out8(0x40, (u8)counts[index]);
            out8(0x40, (u8)(counts[index] >> 8));
            __asm__ volatile("sti");
            for (volatile u32 turn = 0; turn < 20000; turn++) {}
            __asm__ volatile("cli");
            seen += interrupts;
        }
    }
    out8(0x21, 0xff);
    EXPECT(seen > 0, "the timer never interrupted");
}

static void local_apic(void) {
    static const u32 values[] = {0, 0xffffffff, 0x12345678, 0x80000001};
    for (u32 offset = 0; offset < 0x1000; offset += 4) {
        volatile u32 *place = (volatile u32 *)(0xfee00000 + offset);
        (void)*place;
        // An INIT to itself is a guest's right, and its end.
        for (u32 index = 0; offset != 0x300 && index < 4; index++) *place = values[index];
    }
    for (u32 offset = 1; offset < 0x1000; offset += 7) {
        TRY("movl (%0), %%eax\n\tmovl %%eax, (%0)", : : "r"(0xfee00000 + offset) : "eax", "memory");
        TRY("movb (%0), %%al\n\tmovw %%ax, (%0)", : : "r"(0xfee00000 + offset) : "eax", "memory");
    }
    // Software-enabled again, then vectors that are none, to nobody and to itself.
    *(volatile u32 *)0xfee000f0 = 0x1ff;
    for (u32 vector = 0; vector < 16; vector++) {
        *(volatile u32 *)0xfee00310 = 0xff000000;
        *(volatile u32 *)0xfee00300 = vector;
        *(volatile u32 *)0xfee00300 = 0x40000 | vector;
    }
    interrupts = 0;
    *(volatile u32 *)0xfee003e0 = 0xb;
    *(volatile u32 *)0xfee00320 = 0x20000 | 0x40;
    *(volatile u32 *)0xfee00380 = 1;
    __asm__ volatile("sti");
    for (volatile u32 turn = 0; turn < 20000; turn++) {}
    __asm__ volatile("cli");
    *(volatile u32 *)0xfee00320 = 0x10000;
    for (u32 index = 0; index < 256; index++) {
        *(volatile u32 *)0xfec00000 = index;
        (void)*(volatile u32 *)0xfec00010;
        *(volatile u32 *)0xfec00010 = 0xffffffff;
        *(volatile u32 *)0xfec00010 = 0x10000;
        *(volatile u8 *)0xfec00013 = 0xff;
    }
}

static void nmi(void) {
    last_vector = -1;
    *(volatile u32 *)0xfee000f0 = 0x1ff;
    *(volatile u32 *)0xfee00300 = 0x40400;
    for (volatile u32 turn = 0; last_vector != 2 && turn < 10000000; turn++) {}
    EXPECT(last_vector == 2, "the NMI did not come");
}

static void triple_fault(void) {
    struct __attribute__((packed)) {
        u16 limit;
        u32 base;
    } nothing = {0, 0};
    __asm__ volatile("lidt %0\n\tud2" : : "m"(nothing));
}

static void halt(void) {
    for (;;) __asm__ volatile("cli\n\thlt");
}

const struct hostile_case cpu_cases[] = {
    {"ports", ports},
    {"string-ports", string_ports},
    {"no-memory", no_memory},
    {"msrs", msrs},
    {"cpuid", cpuid_leaves},
    {"virtualization", virtualization},
    {"timer-flood", timer_flood},
    {"local-apic", local_apic},
    {"nmi", nmi},
    {"triple-fault", triple_fault},
    {"halt", halt},
    {0, 0},
};
