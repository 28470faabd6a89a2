// SPDX-License-Identifier: Apache-2.0
// What every driver of a virtio device does (VIRTIO 1.2, 4.2), for those that then do it wrong.
#pragma once
#include "hostile.h"

/// What a device is. VIRTIO 1.2, 5.
enum { NET = 1, DISK = 2, ENTROPY = 4, BALLOON = 5, SOCKET = 19, MEMORY = 24, PMEM = 27 };
enum { MORE = 1, WRITE = 2, INDIRECT = 4 };
enum { STARTED = 0xf, NEEDS_RESET = 0x40, FAILED = 0x80 };
/// Bits of the first word of features.
enum { USES_INDIRECT = 1 << 28, USES_EVENTS = 1 << 29 };
enum { SIZE = 8, RINGS = 3 };

struct descriptor {
    u64 address;
    u32 length;
    u16 flags, next;
};

/// A queue of ours. Each part has a page for itself: what is written into one spoils no other.
struct ring {
    union {
        struct descriptor table[SIZE];
        u8 table_page[4096];
    };
    union {
        struct {
            u16 flags, index, ring[SIZE], event;
        } available;
        u8 available_page[4096];
    };
    union {
        struct {
            u16 flags, index;
            struct {
                u32 head, length;
            } ring[SIZE];
            u16 event;
        } used;
        u8 used_page[4096];
    };
};
extern volatile struct ring rings[RINGS];
/// What requests say, and what is to be filled.
extern volatile u8 request[4096];
extern volatile u8 buffer[65536];

/// A kind of device: how it is asked for something harmless.
struct kind {
    u32 id;
    const char *name;
    /// The queue that requests come by, and how many queues are set up.
    u32 queue, queues;
    /// Makes one request available, whose data lies at `place`.
    void (*ask)(u32 place);
    /// Waits for the answer; 0 if it is right, else what is wrong.
    const char *(*wrong)(void);
};
extern const struct kind kinds[];

/// The window of the device that is spoken to, and its kind.
extern u32 window;
extern const struct kind *kind;
/// All windows that there are.
extern u32 windows[20], window_count;

static inline u32 at(u32 place, u32 offset) { return *(volatile u32 *)(place + offset); }
static inline void set_at(u32 place, u32 offset, u32 value) {
    *(volatile u32 *)(place + offset) = value;
}
static inline u32 get(u32 offset) { return at(window, offset); }
static inline void set(u32 offset, u32 value) { set_at(window, offset, value); }

static inline u64 ticks(void) {
    u32 low, high;
    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (u64)high << 32 | low;
}
/// Waits for what another thread of the monitor does, so many ticks of the clock at most.
#define WITHIN(limit, condition)                                                                   \
    ({                                                                                             \
        u64 begin = ticks();                                                                       \
        int is = 0;                                                                                \
        while (!(is = (condition)) && ticks() - begin < (limit)) (void)get(0x70);                  \
        is;                                                                                        \
    })
/// Seconds, if it never comes.
#define SOON(condition) WITHIN((u64)8 << 30, condition)

/// Finds all devices.
void look(void);
/// Turns to the device in a window.
void turn_to(u32 place);
/// Turns to device `number` of those with this identity; false if there is none.
int find(u32 id, u32 number);
/// Does something for each device that there is.
void each(void (*body)(void));

void negotiate(u32 low, u32 high);
void set_queue(u32 index, u32 size, u32 descriptors, u32 driver, u32 device);
/// From reset to DRIVER_OK, with empty rings for all queues of the kind.
void start_device(u32 features);
void put(u32 ring, u32 index, u64 address, u32 length, u16 flags, u16 next);
/// Makes a chain available, and says so.
void publish(u32 ring, u16 head);
/// Whether so many chains have come back.
int wait_used(u32 ring, u16 index);
int wait_reset_needed(void);

/// After a reset the device does what is asked of it, and would go on to.
void lives(void);
/// The same; then it is reset.
void works(void);
/// All devices do.
void all_work(void);
/// Makes a disk's first sector what ``works()`` looks for, which others may have overwritten.
void write_first_sector(void);

/// One number after the other, the same in every run.
static inline u32 dice(u32 *state) {
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}
