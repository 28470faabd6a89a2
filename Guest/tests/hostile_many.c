// SPDX-License-Identifier: Apache-2.0
// Four processors at the same devices, which know nothing of each other.
#include "hostile_driver.h"

enum { OTHERS = 3, STACK = 16384 };

// The other processors begin in real mode at the page that the message names.
__asm__(".text\n"
        "other_begin:\n"
        "  .code16\n"
        "  cli\n"
        "  movw %cs, %ax\n"
        "  movw %ax, %ds\n"
        "  lgdtl other_gdtr - other_begin\n"
        "  movl %cr0, %eax\n"
        "  orl $1, %eax\n"
        "  movl %eax, %cr0\n"
        "  ljmpl $8, $other_wide\n"
        "  .balign 8\n"
        "other_gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff\n"
        "other_gdtr: .word 23\n"
        "  .long other_gdt\n"
        "other_end:\n"
        "  .code32\n"
        "other_wide:\n"
        "  movw $16, %ax\n"
        "  movw %ax, %ds\n"
        "  movw %ax, %es\n"
        "  movw %ax, %ss\n"
        "  movl $1, %eax\n"
        "  lock xaddl %eax, come\n"
        "  movl %eax, %ecx\n"
        "  incl %ecx\n"
        "  imull $16384, %ecx\n"
        "  leal stacks(%ecx), %esp\n"
        "  pushl %eax\n"
        "  call other_main\n");
void set_tables(void);

__attribute__((used)) static u8 stacks[OTHERS][STACK] __attribute__((aligned(16)));
__attribute__((used)) static volatile u32 come;
static volatile u32 resting;

/// What the others are to do, and above two bits how often that was said.
enum { REST, KICK, ANYTHING };
static volatile u32 order;

/// Where queues and what they name may lie while anything goes: RAM that nobody needs. That of the
/// balloon is for itself, as it reads numbers of pages, which must not be those of this program.
enum { GROUND = 0x1000000, LISTS = 0x1800000, GROUND_SIZE = 0x400000 };

static u32 ground_of(u32 place) { return at(place, 8) == BALLOON ? LISTS : GROUND; }

/// Notifications of all queues; nothing of it may harm whoever uses the device.
static void kick(u32 *seed) {
    u32 place = windows[dice(seed) % window_count];
    set_at(place, 0x50, *seed >> 8 & 7);
    (void)at(place, 0x60);
    set_at(place, 0x64, *seed >> 16 & 3);
    (void)at(place, 0x70);
    (void)at(place, 0x100 + (*seed >> 20 & 0x3c));
}

/// What may be the beginning of a request to any device, in every page.
static void sow(void) {
    for (u32 page = 0; page < GROUND_SIZE / 8192; page++) {
        volatile u32 *words = (volatile u32 *)(GROUND + GROUND_SIZE / 2 + page * 4096);
        // Of a disk or of pluggable memory; or of a socket.
        words[0] = page % 3 == 0 ? 3 : page % 3 == 1 ? page & 1 : page % 14;
        words[2] = page % 3 ? page % 64 : 2;
        words[4] = 5000 + page, words[5] = 1024;
        words[7] = 1 | page % 8 << 16;
        words[9] = 65536;
        if (page % 7 == 0) {
            // A block of pluggable memory comes or goes.
            words[0] = page & 1;
            words[2] = page % 32 << 21, words[3] = 0x20;
            words[4] = 1 + page % 3;
        }
        // Pages of the other devices' ground go back to the host, with queues in them.
        words = (volatile u32 *)(LISTS + GROUND_SIZE / 2 + page * 4096);
        for (u32 index = 0; index < 16; index++) words[index] = GROUND / 4096 + page + index * 40;
    }
}

/// Makes a chain of three parts of a ground available in a queue: most often what a device of this
/// kind takes for a request.
static void make_request(u32 *seed, u32 id, u32 ground, u32 queue) {
    static const u16 lengths[] = {16, 16, 24, 44, 4, 16, 72, 0}, rooms[] = {1, 1, 10, 4};
    u32 value = dice(seed), slot = value & 62, is_odd = value >> 29 == 7;
    u32 length = id == DISK ? 16 : id == MEMORY ? 24 : id == SOCKET ? 44 : id == NET ? 72 : 4;
    volatile struct descriptor *table = (volatile struct descriptor *)queue;
    volatile u16 *available = (volatile u16 *)(queue + 0x4000);
    for (u32 part = 0; part < 3; part++) {
        u32 more = dice(seed), page = more & 0x1ff;
        // sow() has put requests of theirs there.
        if (part == 0 && !is_odd) {
            page = id == MEMORY ? page / 7 * 7 : id == DISK ? page / 3 * 3 + 1 : page;
        }
        volatile struct descriptor *one = &table[(slot + part) & 63];
        one->address = ground + page * 4096;
        // Some lie in blocks that are plugged, or were a moment ago.
        if (part > 0 && value >> 26 == 5) one->address = (u64)0x20 << 32 | (more & 0x1fff) << 13;
        one->length = part == 0 ? (is_odd ? lengths[more >> 10 & 7] : length)
                    : part == 1 ? (more >> 10 & 0x7f) * 512 : rooms[more >> 10 & 3];
        u32 is_filled = part == 2 || (part == 1 && more >> 31);
        one->flags = (u16)((part < 2 ? MORE : 0) | (is_filled ? WRITE : 0));
        if (part == 1 && id == MEMORY && !is_odd) one->length = 10, one->flags = WRITE;
        if (value >> 23 == part) one->flags = (u16)(more >> 10 & 7);
        one->next = (u16)(value >> 24 == 7 ? more >> 8 : (slot + part + 1) & 63);
    }
    available[2 + (available[1] & 63)] = (u16)slot;
    __asm__ volatile("" ::: "memory");
    available[1] = (u16)(available[1] + (value >> 22 == 63 ? 100 : 1));
}

/// From reset to DRIVER_OK, as if nobody else were there.
static void begin_queues(u32 place, u32 queues, u32 features) {
    set_at(place, 0x70, 0), set_at(place, 0x70, 1), set_at(place, 0x70, 3);
    set_at(place, 0x24, 0), set_at(place, 0x20, features);
    set_at(place, 0x24, 1), set_at(place, 0x20, 1);
    set_at(place, 0x70, 0xb);
    for (u32 index = 0; index < 3; index++) {
        u32 queue = queues + index * 0x10000;
        *(volatile u32 *)(queue + 0x4000) = *(volatile u32 *)(queue + 0x8000) = 0;
        set_at(place, 0x30, index), set_at(place, 0x38, 64);
        set_at(place, 0x80, queue), set_at(place, 0x84, 0);
        set_at(place, 0x90, queue + 0x4000), set_at(place, 0x94, 0);
        set_at(place, 0xa0, queue + 0x8000), set_at(place, 0xa4, 0);
        set_at(place, 0x44, 1);
    }
    set_at(place, 0x70, STARTED);
}

/// Any register, any state; queues at places where they harm none of us.
static void anything(u32 *seed) {
    static const u16 statuses[] = {0, 1, 3, 0xb, STARTED, STARTED | FAILED, 0x80, 0xff, 0x40};
    u32 index = dice(seed) % window_count, place = windows[index], value = dice(seed);
    u32 ground = ground_of(place), queues = ground + index * 0x30000;
    switch (value >> 25) {
    case 0: set_at(place, 0x70, statuses[value % 9]); break;
    case 1: set_at(place, value & 0x7c, value >> 8); break;
    case 2: set_at(place, 0x100 + (value & 0xfc), value >> 4); break;
    case 3: set_at(place, 0x44, value & 1); break;
    case 4: set_at(place, value & 4 ? 0x80 : value & 8 ? 0x90 : 0xa0,
                   ground + (value >> 4) % GROUND_SIZE / 4096 * 4096); break;
    case 5:
    case 6: begin_queues(place, queues, value & 0x30000000); break;
    case 7 ... 80: {
        u32 queue = value % 3;
        make_request(seed, at(place, 8), ground + GROUND_SIZE / 2, queues + queue * 0x10000);
        set_at(place, 0x50, queue);
        break;
    }
    default: kick(seed);
    }
}

__attribute__((used, noreturn)) static void other_main(u32 number) {
    set_tables();
    u32 seed = 0x1234567 * (number + 1) | 1;
    for (;;) {
        u32 mine = order;
        if ((mine & 3) == REST) {
            __asm__ volatile("lock incl %0" : "+m"(resting));
            while (order == mine) __asm__ volatile("pause");
        } else if ((mine & 3) == KICK) {
            kick(&seed);
        } else {
            anything(&seed);
        }
    }
}

/// A message to other processors, as the two halves of the local APIC's command register.
static void send(u32 high, u32 low) {
    *(volatile u32 *)0xfee00310 = high;
    *(volatile u32 *)0xfee00300 = low;
    for (u32 turn = 0; turn < 1000 && *(volatile u32 *)0xfee00300 & 0x1000; turn++) {}
}

static void wake_others(void) {
    extern const u8 other_begin[], other_end[];
    for (u32 index = 0; other_begin + index < other_end; index++) {
        ((volatile u8 *)0x12000)[index] = other_begin[index];
    }
    *(volatile u32 *)0xfee000f0 = 0x1ff;
    window = windows[0];
    order = (order / 4 + 1) * 4 + REST;
    come = resting = 0;
    // To all but this one: INIT, then begin at page 0x12.
    send(0, 0xc4500);
    send(0, 0xc4612);
    EXPECT(SOON(come >= OTHERS && resting >= OTHERS), "the other processors do not come");
}

static void command(u32 what) {
    resting = 0;
    order = (order / 4 + 1) * 4 + what;
    if (what == REST) EXPECT(SOON(resting == OTHERS), "a processor does not come back");
}

/// Whoever uses a device is served, and a reset is one, whatever others notify it of.
static void storm(void) {
    wake_others();
    command(KICK);
    for (u32 turn = 0; turn < 24; turn++) {
        all_work();
        for (u32 index = 0; index < window_count; index++) {
            turn_to(windows[index]);
            start_device(0);
            kind->ask((u32)buffer);
            set(0x70, turn % 2 ? 0 : STARTED | FAILED);
        }
    }
    command(REST);
    all_work();
}

/// Registers and queues change under everybody's hands.
static void fight(void) {
    sow();
    wake_others();
    u32 seed = 0x6b43a9b5;
    command(ANYTHING);
    for (u64 begin = ticks(); ticks() - begin < (u64)4 << 30;) anything(&seed);
    command(REST);
    for (u32 index = 0; index < window_count; index++) set_at(windows[index], 0x70, 0);
    for (u32 number = 0; number < 2 && find(DISK, number); number++) write_first_sector();
    all_work();
}

/// The end of the machine while all of that goes on, as asked for and by a triple fault.
static void fight_on(void) {
    sow();
    wake_others();
    command(ANYTHING);
    for (u64 begin = ticks(); ticks() - begin < 1 << 28;) {}
}

static void leave(void) {
    fight_on();
    finish(42);
}

static void collapse(void) {
    fight_on();
    struct __attribute__((packed)) {
        u16 limit;
        u32 base;
    } nothing = {0, 0};
    __asm__ volatile("lidt %0\n\tud2" : : "m"(nothing));
}

/// Every kind of message to every sort of address, at any level, with any vector; no processor is lost.
static void messages(void) {
    enum { INIT = 5, STARTUP = 6 };
    static const u32 places[] = {0, 1, 2, 3, 4, 0x0f, 0x80, 0xff};
    static const u8 vectors[] = {0, 1, 15, 16, 0x30, 0xef, 0xff};
    // What system management mode begins with leaves it.
    *(volatile u16 *)0x38000 = 0xaa0f;
    wake_others();
    for (u32 mode = 0; mode < 8; mode++) {
        if (mode == INIT || mode == STARTUP) continue;
        for (u32 bits = 0; bits < 32; bits++) {
            // Logical or not, level, trigger; to an address, to itself, to all, to all others.
            u32 low = mode << 8 | (bits & 1) << 11 | (bits & 6) << 13 | (bits & 0x18) << 15;
            for (u32 index = 0; index < 8; index++) {
                send(places[index] << 24, low | vectors[(index + bits) % 7]);
            }
        }
        about = "messages: ";
        command(KICK);
        command(REST);
    }
    // INIT at any time and in any number, and starts that nobody waits for.
    for (u32 turn = 0; turn < 20; turn++) {
        command(turn % 2 ? KICK : REST);
        for (u32 index = 0; index <= turn % 4; index++) send(0, 0xc4500 | (index & 1) << 15);
        wake_others();
        send(0, 0xc4612);
        send(0, 0xc46ff);
    }
    send(0, 0x8500 | 0x80000);
    command(KICK);
    command(REST);
    all_work();
}

const struct hostile_case many_cases[] = {
    {"messages", messages},
    {"storm", storm},
    {"fight", fight},
    {"leave", leave},
    {"collapse", collapse},
    {0, 0},
};
