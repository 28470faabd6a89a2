// SPDX-License-Identifier: Apache-2.0
// A driver that is polite: what each device gives whoever asks as the standard wants it.
#include "hostile_driver.h"

volatile struct ring rings[RINGS] __attribute__((aligned(4096)));
volatile u8 request[4096] __attribute__((aligned(4096)));
volatile u8 buffer[65536] __attribute__((aligned(4096)));
u32 window;
const struct kind *kind;
u32 windows[20], window_count;

void look(void) {
    for (u32 place = 0xc0001000; place < 0xc0015000; place += 0x1000) {
        if (at(place, 0) == 0x74726976 && at(place, 8) != 0) windows[window_count++] = place;
    }
    EXPECT(window_count > 0, "there are no devices");
}

void turn_to(u32 place) {
    window = place;
    for (kind = kinds; kind->id != get(8); kind++) {
        EXPECT(kind->id, "a device that nobody knows");
    }
    about = kind->name;
}

int find(u32 id, u32 number) {
    for (u32 index = 0; index < window_count; index++) {
        if (at(windows[index], 8) != id || number-- > 0) continue;
        turn_to(windows[index]);
        return 1;
    }
    return 0;
}

void each(void (*body)(void)) {
    for (u32 index = 0; index < window_count; index++) {
        turn_to(windows[index]);
        body();
    }
}

void negotiate(u32 low, u32 high) {
    set(0x70, 0);
    set(0x70, 1);
    set(0x70, 3);
    set(0x24, 0);
    set(0x20, low);
    set(0x24, 1);
    set(0x20, high);
    set(0x70, 0xb);
}

void set_queue(u32 index, u32 size, u32 descriptors, u32 driver, u32 device) {
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

void start_device(u32 features) {
    negotiate(features, 1);
    for (u32 index = 0; index < kind->queues; index++) {
        volatile struct ring *ring = &rings[index];
        for (u32 slot = 0; slot < SIZE; slot++) put(index, slot, 0, 0, 0, 0);
        ring->available.flags = ring->available.index = ring->available.event = 0;
        ring->used.flags = ring->used.index = ring->used.event = 0;
        set_queue(index, SIZE, (u32)&ring->table, (u32)&ring->available, (u32)&ring->used);
    }
    set(0x70, STARTED);
}

void put(u32 ring, u32 index, u64 address, u32 length, u16 flags, u16 next) {
    volatile struct descriptor *place = &rings[ring].table[index];
    place->address = address;
    place->length = length;
    place->flags = flags;
    place->next = next;
}

void publish(u32 ring, u16 head) {
    rings[ring].available.ring[rings[ring].available.index % SIZE] = head;
    __asm__ volatile("" ::: "memory");
    rings[ring].available.index++;
    set(0x50, ring);
}

int wait_used(u32 ring, u16 index) { return SOON(rings[ring].used.index == index); }
int wait_reset_needed(void) { return SOON(get(0x70) & NEEDS_RESET); }

void lives(void) {
    start_device(USES_INDIRECT | USES_EVENTS);
    EXPECT(get(0x70) == STARTED, "it does not start again");
    kind->ask((u32)buffer);
    const char *text = kind->wrong();
    if (text) fail(text);
}

void works(void) {
    lives();
    // The next device's rings are in the same place.
    set(0x70, 0);
}

void all_work(void) { each(works); }

// MARK: Entropy. VIRTIO 1.2, 5.4

static void ask_entropy(u32 place) {
    put(0, 0, place, 256, WRITE, 0);
    for (u32 index = 0; index < 256; index++) buffer[index] = 0;
    publish(0, 0);
}

static const char *wrong_entropy(void) {
    if (!wait_used(0, 1)) return "it does not answer";
    u32 sum = 0;
    for (u32 index = 0; index < 256; index++) sum |= buffer[index];
    return rings[0].used.ring[0].length == 256 && sum != 0 ? 0 : "it gives nothing";
}

// MARK: Balloon. 5.5

static void ask_balloon(u32 place) {
    *(volatile u32 *)0x2000000 = 1;
    *(volatile u32 *)buffer = 0x2000;
    put(0, 0, place, 4, 0, 0);
    publish(0, 0);
}

static const char *wrong_balloon(void) {
    if (!wait_used(0, 1)) return "it does not answer";
    return *(volatile u32 *)0x2000000 == 0 ? 0 : "a page that was given back is not empty";
}

// MARK: Memory. 5.15

static void ask_memory(u32 place) {
    *(volatile u16 *)request = 3;
    *(volatile u64 *)(request + 8) = (u64)get(0x114) << 32 | get(0x110);
    *(volatile u16 *)(request + 16) = 1;
    *(volatile u16 *)buffer = *(volatile u16 *)(buffer + 8) = 0xffff;
    put(0, 0, (u32)request, 24, MORE, 1);
    put(0, 1, place, 10, WRITE, 0);
    publish(0, 0);
}

static const char *wrong_memory(void) {
    if (!wait_used(0, 1)) return "it does not answer";
    // A whole block is plugged, or not.
    return *(volatile u16 *)buffer == 0 && *(volatile u16 *)(buffer + 8) <= 1 ? 0
        : "it does not know what is plugged";
}

// MARK: Disk. 5.2. Its first sector is full of 0x5a

static void ask_disk(u32 place) {
    volatile u32 *header = (volatile u32 *)request;
    header[0] = header[1] = header[2] = header[3] = 0;
    request[64] = 0xff;
    put(0, 0, (u32)request, 16, MORE, 1);
    put(0, 1, place, 512, MORE | WRITE, 2);
    put(0, 2, (u32)request + 64, 1, WRITE, 0);
    buffer[511] = 0;
    publish(0, 0);
}

void write_first_sector(void) {
    start_device(0);
    ask_disk((u32)buffer);
    if (!wait_used(0, 1)) fail("it does not answer");
    for (u32 index = 0; index < 512; index++) buffer[index] = 0x5a;
    *(volatile u32 *)request = 1;
    rings[0].table[1].flags = MORE;
    publish(0, 0);
    if (!wait_used(0, 2) || request[64] != 0) fail("it does not write");
    set(0x70, 0);
}

static const char *wrong_disk(void) {
    if (!wait_used(0, 1)) return "it does not answer";
    return request[64] == 0 && buffer[511] == 0x5a ? 0 : "it reads something else";
}

// MARK: Persistent memory. 5.19

static void ask_pmem(u32 place) {
    *(volatile u32 *)request = 0;
    *(volatile u32 *)buffer = 0xffffffff;
    put(0, 0, (u32)request, 4, MORE, 1);
    put(0, 1, place, 4, WRITE, 0);
    publish(0, 0);
}

static const char *wrong_pmem(void) {
    if (!wait_used(0, 1)) return "it does not answer";
    return *(volatile u32 *)buffer == 0 ? 0 : "it does not flush";
}

// MARK: Socket. 5.10. Nobody of the host's listens at this port

static void ask_socket(u32 place) {
    volatile u32 *header = (volatile u32 *)request;
    static u32 port = 1000;
    for (u32 index = 0; index < 11; index++) header[index] = 0;
    header[0] = 3;
    header[2] = 2;
    header[4] = port++;
    header[5] = 0x7fff0000;
    header[7] = 1 | 1 << 16;
    header[9] = 65536;
    put(0, 0, place, 256, WRITE, 0);
    publish(0, 0);
    put(1, 0, (u32)request, 44, 0, 0);
    publish(1, 0);
}

static const char *wrong_socket(void) {
    if (!wait_used(1, 1)) return "it does not take a packet";
    if (!wait_used(0, 1)) return "it does not answer";
    return *(volatile u16 *)(buffer + 30) == 3 ? 0 : "it answers something else";
}

// MARK: Network. 5.1. The host has 10.9.0.1

static void ask_net(u32 place) {
    static const u8 question[] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,                                // header
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 6, 0, 10, 9, 0, 2, 8, 6,       // Ethernet
        0, 1, 8, 0, 6, 4, 0, 1, 6, 0, 10, 9, 0, 2, 10, 9, 0, 2,            // who has …
        0, 0, 0, 0, 0, 0, 10, 9, 0, 1,                                     // … 10.9.0.1?
    };
    for (u32 index = 0; index < 72; index++) {
        request[index] = index < sizeof question ? question[index] : 0;
    }
    for (u32 index = 0; index < SIZE; index++) {
        put(0, index, place + index * 256, 256, WRITE, 0);
        publish(0, (u16)index);
    }
    put(1, 0, (u32)request, 72, 0, 0);
    publish(1, 0);
}

static const char *wrong_net(void) {
    if (!wait_used(1, 1)) return "it does not take a frame";
    // The host's kernel has more to say than the answer.
    for (u16 seen = 0; SOON(rings[0].used.index != seen); seen++) {
        u32 head = rings[0].used.ring[seen % SIZE].head;
        if (head >= SIZE) return "it gives back what it never got";
        volatile u8 *frame = buffer + head * 256 + 12;
        if (frame[12] == 8 && frame[13] == 6 && frame[21] == 2 && frame[31] == 1) return 0;
        publish(0, (u16)head);
    }
    return "the host does not answer";
}

const struct kind kinds[] = {
    {NET, "net: ", 1, 3, ask_net, wrong_net},
    {DISK, "disk: ", 0, 1, ask_disk, wrong_disk},
    {ENTROPY, "entropy: ", 0, 1, ask_entropy, wrong_entropy},
    {BALLOON, "balloon: ", 0, 1, ask_balloon, wrong_balloon},
    {SOCKET, "socket: ", 1, 3, ask_socket, wrong_socket},
    {MEMORY, "memory: ", 0, 1, ask_memory, wrong_memory},
    {PMEM, "pmem: ", 0, 1, ask_pmem, wrong_pmem},
    {0, 0, 0, 0, 0, 0},
};
