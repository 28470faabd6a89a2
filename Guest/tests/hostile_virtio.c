// SPDX-License-Identifier: Apache-2.0
// A driver of the entropy, balloon and memory devices that breaks every rule of VIRTIO 1.2.
#include "hostile.h"

enum { ENTROPY = 4, BALLOON = 5, MEMORY = 24 };
enum { MORE = 1, WRITE = 2, INDIRECT = 4 };
enum { STARTED = 0xf, NEEDS_RESET = 0x40 };
enum { SIZE = 8 };

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};
static volatile struct descriptor table[SIZE] __attribute__((aligned(4096)));
static volatile struct descriptor other[SIZE] __attribute__((aligned(4096)));
static volatile struct {
    u16 flags, index, ring[SIZE], event;
} available __attribute__((aligned(4096)));
static volatile struct {
    u16 flags, index;
    u32 ring[SIZE * 2];
    u16 event;
} used __attribute__((aligned(4096)));
static volatile u8 buffer[4096] __attribute__((aligned(4096)));
static u32 window;

static u32 get(u32 offset) { return *(volatile u32 *)(window + offset); }
static void set(u32 offset, u32 value) { *(volatile u32 *)(window + offset) = value; }

static void find(u32 id) {
    for (window = 0xc0001000; window < 0xc0020000; window += 0x1000) {
        if (get(0) == 0x74726976 && get(8) == id) return;
    }
    fail("the device is not there");
}

static void negotiate(u32 low, u32 high) {
    set(0x70, 0);
    set(0x70, 1);
    set(0x70, 3);
    set(0x24, 0);
    set(0x20, low);
    set(0x24, 1);
    set(0x20, high);
    set(0x70, 0xb);
}

static void set_queue(u32 index, u32 size, u32 descriptors, u32 driver, u32 device) {
    set(0x30, index);
    set(0x38, size);
    set(0x80, descriptors);
    set(0x84, 0);
    set(0x90, driver);
    set(0x94, 0);
    set(0xa0, device);
    set(0xa4, 0);
    set(0x44, 1);
}

/// From reset to DRIVER_OK, with empty rings.
static void start(u32 queue, u32 features) {
    for (u32 index = 0; index < SIZE; index++) {
        table[index] = (struct descriptor){0, 0, 0, 0};
        other[index] = (struct descriptor){0, 0, 0, 0};
    }
    available.flags = available.index = used.index = 0;
    negotiate(features, 1);
    set_queue(queue, SIZE, (u32)table, (u32)&available, (u32)&used);
    set(0x70, STARTED);
}

static void put(u32 index, u64 address, u32 length, u16 flags, u16 next) {
    table[index].address = address;
    table[index].length = length;
    table[index].flags = flags;
    table[index].next = next;
}

static void publish(u32 queue, u16 head) {
    available.ring[available.index % SIZE] = head;
    __asm__ volatile("" ::: "memory");
    available.index++;
    set(0x50, queue);
}

/// Waits for a device that is served by another thread.
static int wait_used(u16 index) {
    for (u32 turn = 0; turn < 100000; turn++) {
        if (used.index == index) return 1;
        (void)get(0x70);
    }
    return 0;
}
static int wait_reset_needed(void) {
    for (u32 turn = 0; turn < 100000; turn++) {
        if (get(0x70) & NEEDS_RESET) return 1;
    }
    return 0;
}

/// After a reset the entropy device gives what is asked of it.
static void works(void) {
    find(ENTROPY);
    start(0, 1 << 28 | 1 << 29);
    EXPECT(get(0x70) == STARTED, "the device does not start again");
    for (u32 index = 0; index < 256; index++) buffer[index] = 0;
    put(0, (u32)buffer, 256, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(1), "the device does not serve again");
    u32 sum = 0;
    for (u32 index = 0; index < 256; index++) sum |= buffer[index];
    EXPECT(used.ring[1] == 256 && sum != 0, "the device gives nothing");
}

struct bad {
    u64 address;
    u32 length;
    u16 flags, next;
};

static void rings(void) {
    static const struct bad chains[] = {
        {0x1000, 16, MORE, 0},               // points at itself
        {0x1000, 16, MORE, SIZE},            // outside the table
        {0x1000, 16, MORE, 0xffff},          //
        {0x4000000, 16, 0, 0},               // beyond RAM
        {0x3fffff8, 16, WRITE, 0},           // across its end
        {0xc0001000, 4, WRITE, 0},           // a device's window
        {0xfee00000, 4096, WRITE, 0},        // the local APIC
        {0xffffffffffffff00ull, 0x200, 0, 0}, // the end wraps
        {0xffffffffffffffffull, 0xffffffff, WRITE, 0},
        {0x1000, 0xffffffff, WRITE, 0},      // longer than RAM
        {0x2000000000ull, 4096, WRITE, 0},   // unplugged memory
        {0x100000000ull, 4096, WRITE, 0},    // beyond the hole
        {(u64)0, 17, INDIRECT, 0},           // no whole descriptors
        {(u64)0, 0, INDIRECT, 0},            // none
        {(u64)0, 16 * (SIZE + 1), INDIRECT, 0},
        {(u64)0, 16, INDIRECT | MORE, 1},
        {0x4000000, 16, INDIRECT, 0},
        {0xd0000000, 16, INDIRECT, 0},
    };
    for (u32 index = 0; index < sizeof chains / sizeof *chains; index++) {
        find(ENTROPY);
        start(0, 1 << 28 | 1 << 29);
        put(0, chains[index].address, chains[index].length, chains[index].flags, chains[index].next);
        publish(0, 0);
        EXPECT(wait_reset_needed(), "a bad chain is taken");
        for (u32 turn = 0; turn < 100; turn++) set(0x50, 0);
        works();
    }
    static const u16 heads[] = {SIZE, 0x7fff, 0xffff};
    for (u32 index = 0; index < sizeof heads / 2; index++) {
        find(ENTROPY);
        start(0, 0);
        publish(0, heads[index]);
        EXPECT(wait_reset_needed(), "a bad head is taken");
        works();
    }
    static const u16 indices[] = {SIZE + 1, 0x8000, 0xffff};
    for (u32 index = 0; index < sizeof indices / 2; index++) {
        find(ENTROPY);
        start(0, 0);
        available.index = indices[index];
        set(0x50, 0);
        EXPECT(wait_reset_needed(), "an index that jumps is taken");
        works();
    }
    // An indirect table in an indirect table, and one that loops.
    for (u32 index = 0; index < 2; index++) {
        find(ENTROPY);
        start(0, 1 << 28);
        other[0] = (struct descriptor){(u32)other, 16, index ? MORE : INDIRECT, 0};
        put(0, (u32)other, 16, INDIRECT, 0);
        publish(0, 0);
        EXPECT(wait_reset_needed(), "a bad indirect table is taken");
        works();
    }
}

/// Rings of which a driver may make what it likes.
static void own_rings(void) {
    u32 places[] = {(u32)table, (u32)&available, (u32)&used, (u32)other};
    for (u32 index = 0; index < 4; index++) {
        find(ENTROPY);
        start(0, 1 << 29);
        put(0, places[index], 64, WRITE, 0);
        for (u32 turn = 0; turn < 20; turn++) publish(0, 0);
        works();
    }
    find(ENTROPY);
    start(0, 1 << 29);
    available.flags = 0xffff;
    available.event = 0xffff;
    put(0, (u32)buffer, 16, WRITE, 0);
    for (u32 turn = 0; turn < 100; turn++) {
        used.index = (u16)(turn * 77);
        publish(0, 0);
    }
    works();
}

static void queues(void) {
    static const u32 sizes[] = {0, 3, 0x8000, 0x10000, 0xffffffff};
    static const u32 places[] = {1, 8, 0x4000000, 0x3ffffff0, 0xc0001000, 0xfffffff0};
    for (u32 index = 0; index < sizeof sizes / 4; index++) {
        find(ENTROPY);
        negotiate(0, 1);
        set_queue(0, sizes[index], (u32)table, (u32)&available, (u32)&used);
        set(0x70, STARTED);
        EXPECT(get(0x70) & NEEDS_RESET, "a bad size is taken");
        works();
    }
    for (u32 index = 0; index < sizeof places / 4; index++) {
        for (u32 part = 0; part < 3; part++) {
            // The available ring is aligned to two bytes only.
            if (part == 1 && index == 1) continue;
            if (part == 2 && index == 1) continue;
            find(ENTROPY);
            negotiate(0, 1);
            set_queue(0, SIZE, part == 0 ? places[index] : (u32)table,
                      part == 1 ? places[index] : (u32)&available,
                      part == 2 ? places[index] : (u32)&used);
            set(0x70, STARTED);
            EXPECT(get(0x70) & NEEDS_RESET, "a bad place is taken");
            works();
        }
    }
    // A live queue does not move; queues that are not there do not exist.
    works();
    for (u32 queue = 0; queue < 20; queue++) {
        set_queue(queue * 0x1001, 0xffff, 0xfffffff0, 1, 2);
        set(0x44, 0);
        set(0x50, queue * 0x1001);
        set(0x50, 0xffffffff);
    }
    put(0, (u32)buffer, 64, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(2) && get(0x70) == STARTED, "a live queue has changed");
}

static void states(void) {
    find(ENTROPY);
    for (u32 value = 1; value < 0x200; value++) {
        set(0x70, value);
        set(0x50, 0);
        if (value % 3 == 0) set(0x70, 0);
    }
    works();
    negotiate(0xffffffff, 0xffffffff);
    EXPECT(!(get(0x70) & 8), "features that were not offered are taken");
    negotiate(0, 0);
    EXPECT(!(get(0x70) & 8), "a driver before VIRTIO 1.0 is taken");
    set(0x70, 0);
    set(0x70, 1), set(0x70, 3), set(0x70, 7);
    EXPECT(!(get(0x70) & 4), "FEATURES_OK can be skipped");
    for (u32 turn = 0; turn < 1000; turn++) start(0, 0);
    set(0x70, STARTED), set(0x70, STARTED), set(0x70, 1), set(0x70, 0x8f);
    set(0x50, 0);
    works();
}

/// Every register in every width, aligned or not, across the end of the window.
static void registers(void) {
    static const u32 ids[] = {ENTROPY, BALLOON, MEMORY};
    for (u32 device = 0; device < 3; device++) {
        find(ids[device]);
        for (u32 offset = 0; offset < 0x1004; offset++) {
            u32 place = window + offset;
            for (u32 value = 0; value < 3; value++) {
                u32 word = value == 0 ? 0 : value == 1 ? 0xffffffff : 0x1234567;
                TRY("movb %b1, (%0)", : : "r"(place), "q"(word) : "memory");
                TRY("movw %w1, (%0)", : : "r"(place), "q"(word) : "memory");
                TRY("movl %1, (%0)", : : "r"(place), "q"(word) : "memory");
                TRY("movl (%0), %%eax\n\tmovw (%0), %%ax\n\tmovb (%0), %%al",
                    : : "r"(place) : "eax", "memory");
            }
        }
        set(0x70, 0);
    }
    works();
}

static void notifications(void) {
    static const u32 ids[] = {ENTROPY, BALLOON, MEMORY};
    for (u32 device = 0; device < 3; device++) {
        find(ids[device]);
        for (u32 turn = 0; turn < 20000; turn++) {
            if (turn % 1000 == 0) start(turn % 3, 0);
            set(0x50, turn % 9);
        }
        set(0x70, 0);
    }
    works();
}

static void entropy(void) {
    find(ENTROPY);
    start(0, 1 << 28);
    // Eight times 48 MiB, read-only and of no bytes.
    for (u32 index = 0; index < SIZE; index++) {
        put(index, 0x800000, 48 << 20, (u16)(WRITE | (index < SIZE - 1 ? MORE : 0)), (u16)(index + 1));
    }
    for (u32 turn = 0; turn < SIZE; turn++) publish(0, 0);
    EXPECT(wait_used(SIZE), "a huge request is not answered");
    works();
    put(0, (u32)buffer, 64, 0, 0);
    publish(0, 0);
    put(0, (u32)buffer, 0, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(3), "an empty request is not answered");
    works();
}

static void balloon(void) {
    find(BALLOON);
    static const u32 pages[] = {0x4000, 0xffffffff, 0xc0001, 0xd0000, 0x100000, 0xfee00, 0x2000000};
    start(0, 0);
    volatile u32 *list = (volatile u32 *)buffer;
    for (u32 index = 0; index < 1024; index++) list[index] = pages[index % 7];
    put(0, (u32)buffer, 4096, 0, 0);
    put(1, (u32)buffer, 3, 0, 0);
    put(2, (u32)buffer, 4096, WRITE, 0);
    // The list as it lies in all of memory, whatever is there.
    put(3, 0x200000, 48 << 20, 0, 0);
    for (u16 turn = 0; turn < 3; turn++) publish(0, turn);
    EXPECT(wait_used(3), "a list of no pages is not taken");
    set(0x104, 0xffffffff);
    // A page of ours goes and comes again empty; twice is as good as once.
    volatile u32 *page = (volatile u32 *)0x2000000;
    *page = 1;
    for (u32 index = 0; index < 1024; index++) list[index] = 0x2000;
    publish(0, 0);
    EXPECT(wait_used(4), "a page is not taken");
    EXPECT(*page == 0, "a page that was given back is not empty");
    publish(0, 3);
    EXPECT(wait_used(5), "a huge list is not taken");
    works();
}

static void memory(void) {
    find(MEMORY);
    start(0, 0);
    static const u64 places[] = {0, 1, 0x2000000000ull, 0x2000000001ull, 0x1fffe00000ull,
                                 0x2000000000ull + (1 << 30), 0xffffffffffe00000ull, ~0ull};
    static const u16 counts[] = {0, 1, 2, 0x7fff, 0xffff};
    u16 served = 0;
    for (u32 kind = 0; kind < 6; kind++) {
        for (u32 place = 0; place < 8; place++) {
            for (u32 count = 0; count < 5; count++) {
                *(volatile u16 *)buffer = (u16)(kind == 5 ? 0xffff : kind);
                *(volatile u64 *)(buffer + 8) = places[place];
                *(volatile u16 *)(buffer + 16) = counts[count];
                put(0, (u32)buffer, 24, MORE, 1);
                put(1, (u32)buffer + 64, 10, WRITE, 0);
                publish(0, 0);
                EXPECT(wait_used(++served), "a request is not answered");
                // Nothing was asked for, so nothing can be plugged.
                u16 type = *(volatile u16 *)(buffer + 64);
                EXPECT(kind != 0 || type != 0, "memory was plugged that the host did not offer");
            }
        }
    }
    works();
}

const struct hostile_case virtio_cases[] = {
    {"rings", rings},
    {"own-rings", own_rings},
    {"queues", queues},
    {"states", states},
    {"registers", registers},
    {"notifications", notifications},
    {"entropy", entropy},
    {"balloon", balloon},
    {"memory", memory},
    {0, 0},
};
