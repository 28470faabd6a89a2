// SPDX-License-Identifier: Apache-2.0
// What is wrong with a driver whatever its device: each case is done to every device there is.
#include "hostile_driver.h"

static volatile struct descriptor other[256] __attribute__((aligned(4096)));

struct bad {
    u64 address;
    u32 length;
    u16 flags, next;
};

static void broken_rings(void) {
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
    u32 queue = kind->queue;
    for (u32 index = 0; index < sizeof chains / sizeof *chains; index++) {
        start_device(USES_INDIRECT | USES_EVENTS);
        put(queue, 0, chains[index].address, chains[index].length, chains[index].flags,
            chains[index].next);
        publish(queue, 0);
        EXPECT(wait_reset_needed(), "a bad chain is taken");
        for (u32 turn = 0; turn < 20; turn++) set(0x50, queue);
        works();
    }
    static const u16 heads[] = {SIZE, 0x7fff, 0xffff};
    for (u32 index = 0; index < sizeof heads / 2; index++) {
        start_device(0);
        publish(queue, heads[index]);
        EXPECT(wait_reset_needed(), "a bad head is taken");
        works();
    }
    static const u16 indices[] = {SIZE + 1, 0x8000, 0xffff};
    for (u32 index = 0; index < sizeof indices / 2; index++) {
        start_device(0);
        rings[queue].available.index = indices[index];
        set(0x50, queue);
        EXPECT(wait_reset_needed(), "an index that jumps is taken");
        works();
    }
    // An indirect table in an indirect table, and one that loops.
    for (u32 index = 0; index < 2; index++) {
        start_device(USES_INDIRECT);
        other[0] = (struct descriptor){(u32)other, 16, index ? MORE : INDIRECT, 0};
        put(queue, 0, (u32)other, 16, INDIRECT, 0);
        publish(queue, 0);
        EXPECT(wait_reset_needed(), "a bad indirect table is taken");
        works();
    }
}

static void broken_rings_of_all(void) { each(broken_rings); }

/// Rings of which a driver may make what it likes.
static void own_ring(void) {
    u32 queue = kind->queue;
    u32 places[] = {(u32)rings[queue].table_page, (u32)rings[queue].available_page,
                    (u32)rings[queue].used_page, (u32)request};
    for (u32 index = 0; index < 4; index++) {
        start_device(USES_EVENTS);
        kind->ask(places[index]);
        for (u32 turn = 0; turn < 20; turn++) publish(queue, 0);
        works();
    }
    start_device(USES_EVENTS);
    kind->ask((u32)buffer);
    rings[queue].available.flags = 0xffff;
    rings[queue].available.event = 0xffff;
    for (u32 turn = 0; turn < 100; turn++) {
        rings[queue].used.index = (u16)(turn * 77);
        publish(queue, 0);
    }
    works();
}

static void own_rings(void) {
    each(own_ring);
    all_work();
}

static void queue_set_up(void) {
    static const u32 sizes[] = {0, 3, 0x8000, 0x10000, 0xffffffff};
    static const u32 places[] = {1, 8, 0x4000000, 0x3ffffff0, 0xc0001000, 0xfffffff0};
    u32 queue = kind->queue;
    volatile struct ring *ring = &rings[queue];
    for (u32 index = 0; index < sizeof sizes / 4; index++) {
        negotiate(0, 1);
        set_queue(queue, sizes[index], (u32)&ring->table, (u32)&ring->available, (u32)&ring->used);
        set(0x70, STARTED);
        EXPECT(get(0x70) & NEEDS_RESET, "a bad size is taken");
        works();
    }
    for (u32 index = 0; index < sizeof places / 4; index++) {
        for (u32 part = 0; part < 3; part++) {
            // Available and used ring are aligned to two and four bytes only.
            if (part > 0 && index == 1) continue;
            negotiate(0, 1);
            set_queue(queue, SIZE, part == 0 ? places[index] : (u32)&ring->table,
                      part == 1 ? places[index] : (u32)&ring->available,
                      part == 2 ? places[index] : (u32)&ring->used);
            set(0x70, STARTED);
            EXPECT(get(0x70) & NEEDS_RESET, "a bad place is taken");
        }
        works();
    }
    // A live queue does not move; queues that are not there do not exist.
    lives();
    u16 index = ring->used.index;
    for (u32 number = 0; number < 20; number++) {
        set_queue(number * 0x1001, 0xffff, 0xfffffff0, 1, 2);
        set(0x44, 0);
        set(0x50, number * 0x1001);
        set(0x50, 0xffffffff);
    }
    publish(queue, 0);
    EXPECT(wait_used(queue, (u16)(index + 1)) && get(0x70) == STARTED, "a live queue has changed");
    works();
}

static void queues(void) { each(queue_set_up); }

static void any_state(void) {
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
    // Resets and failures with a request under way.
    for (u32 turn = 0; turn < 40; turn++) {
        start_device(turn % 2 ? USES_EVENTS : 0);
        kind->ask((u32)buffer);
        if (turn % 4 == 0) set(0x70, STARTED | FAILED);
        if (turn % 8 < 2) set(0x50, kind->queue);
    }
    start_device(0);
    set(0x70, STARTED), set(0x70, STARTED), set(0x70, 1), set(0x70, STARTED | FAILED);
    set(0x50, 0);
    works();
}

static void states(void) { each(any_state); }

/// Every register in every width, aligned or not, across the end of the window.
static void any_register(void) {
    // What lies behind the configuration space of all devices is all alike.
    for (u32 offset = 0; offset < 0x1004; offset += offset < 0x160 || offset >= 0xff8 ? 1 : 97) {
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

static void registers(void) {
    each(any_register);
    all_work();
}

static void notify(void) {
    for (u32 turn = 0; turn < 4000; turn++) {
        if (turn % 200 == 0) start_device(0);
        if (turn % 400 == 0) kind->ask((u32)buffer);
        set(0x50, turn % 9);
    }
    set(0x70, 0);
}

static void notifications(void) {
    each(notify);
    all_work();
}

const struct hostile_case virtio_cases[] = {
    {"rings", broken_rings_of_all},
    {"own-rings", own_rings},
    {"queues", queues},
    {"states", states},
    {"registers", registers},
    {"notifications", notifications},
    {0, 0},
};
