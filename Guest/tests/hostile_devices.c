// SPDX-License-Identifier: Apache-2.0
// What is wrong for one device only.
#include "hostile_driver.h"

/// Turns to device `number` of a kind, which must be there.
static void take(u32 id, u32 number) { EXPECT(find(id, number), "the device is not there"); }

// MARK: Entropy, balloon, memory

static void entropy(void) {
    take(ENTROPY, 0);
    start_device(USES_INDIRECT);
    // Eight times 48 MiB, read-only and of no bytes.
    for (u32 index = 0; index < SIZE; index++) {
        put(0, index, 0x800000, 48 << 20, (u16)(WRITE | (index < SIZE - 1 ? MORE : 0)),
            (u16)(index + 1));
    }
    for (u32 turn = 0; turn < SIZE; turn++) publish(0, 0);
    EXPECT(wait_used(0, SIZE), "a huge request is not answered");
    lives();
    put(0, 0, (u32)buffer, 64, 0, 0);
    publish(0, 0);
    put(0, 0, (u32)buffer, 0, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(0, 3), "an empty request is not answered");
    all_work();
}

static void balloon(void) {
    take(BALLOON, 0);
    static const u32 pages[] = {0x4000, 0xffffffff, 0xc0001, 0xd0000, 0x100000, 0xfee00, 0x2000000};
    start_device(0);
    volatile u32 *list = (volatile u32 *)buffer;
    for (u32 index = 0; index < 1024; index++) list[index] = pages[index % 7];
    put(0, 0, (u32)buffer, 4096, 0, 0);
    put(0, 1, (u32)buffer, 3, 0, 0);
    put(0, 2, (u32)buffer, 4096, WRITE, 0);
    // The list as it lies in all of memory, whatever is there.
    put(0, 3, 0x200000, 48 << 20, 0, 0);
    for (u16 turn = 0; turn < 3; turn++) publish(0, turn);
    EXPECT(wait_used(0, 3), "a list of no pages is not taken");
    set(0x104, 0xffffffff);
    // A page of ours goes and comes again empty; twice is as good as once.
    volatile u32 *page = (volatile u32 *)0x2000000;
    *page = 1;
    for (u32 index = 0; index < 1024; index++) list[index] = 0x2000;
    publish(0, 0);
    EXPECT(wait_used(0, 4), "a page is not taken");
    EXPECT(*page == 0, "a page that was given back is not empty");
    publish(0, 3);
    EXPECT(wait_used(0, 5), "a huge list is not taken");
    all_work();
}

static void memory(void) {
    take(MEMORY, 0);
    start_device(0);
    static const u64 places[] = {0, 1, 0x2000000000ull, 0x2000000001ull, 0x1fffe00000ull,
                                 0x2000000000ull + (1 << 30), 0xffffffffffe00000ull, ~0ull};
    static const u16 counts[] = {0, 1, 2, 0x7fff, 0xffff};
    u16 served = 0;
    for (u32 type = 0; type < 6; type++) {
        for (u32 place = 0; place < 8; place++) {
            for (u32 count = 0; count < 5; count++) {
                *(volatile u16 *)buffer = (u16)(type == 5 ? 0xffff : type);
                *(volatile u64 *)(buffer + 8) = places[place];
                *(volatile u16 *)(buffer + 16) = counts[count];
                put(0, 0, (u32)buffer, 24, MORE, 1);
                put(0, 1, (u32)buffer + 64, 10, WRITE, 0);
                publish(0, 0);
                EXPECT(wait_used(0, ++served), "a request is not answered");
                // Nothing was asked for, so nothing can be plugged.
                u16 answer = *(volatile u16 *)(buffer + 64);
                EXPECT(type != 0 || answer != 0, "memory was plugged that the host did not offer");
            }
        }
    }
    all_work();
}

// MARK: Disk

enum { READ_SECTORS = 0, WRITE_SECTORS = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };
enum { OK = 0, IO_ERROR = 1, UNSUPPORTED = 2 };
enum { MANY = 64, CHUNK = 256 << 10 };
static u16 asked;

/// One request with data of one sort; its status, or 0xff if it gets none.
static u32 disk_status(u32 type, u64 sector, u64 place, u32 length, u16 flags) {
    volatile u32 *header = (volatile u32 *)request;
    header[0] = type;
    header[1] = 0;
    header[2] = (u32)sector;
    header[3] = (u32)(sector >> 32);
    request[64] = 0xff;
    put(0, 0, (u32)request, 16, MORE, length ? 1 : 2);
    put(0, 1, place, length, (u16)(MORE | flags), 2);
    put(0, 2, (u32)request + 64, 1, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(0, ++asked), "a request is not answered");
    return request[64];
}

static void disk_start(void) {
    start_device(USES_INDIRECT);
    asked = 0;
}

static void wrong_requests(void) {
    disk_start();
    u64 sectors = (u64)get(0x104) << 32 | get(0x100);
    u32 place = (u32)buffer;
    EXPECT(disk_status(GET_ID, 0, place, 20, WRITE) == OK, "its name is a secret");
    for (u32 length = 1; length < 20; length++) {
        EXPECT(disk_status(GET_ID, 0, place, length, WRITE) != OK, "a name without room");
    }
    static const u64 beyond[] = {0, 1, 1ull << 54, 1ull << 55, 1ull << 63, ~0ull};
    for (u32 index = 0; index < sizeof beyond / 8; index++) {
        u64 sector = index < 2 ? sectors - index : beyond[index];
        for (u32 type = READ_SECTORS; type <= WRITE_SECTORS; type++) {
            EXPECT(disk_status(type, sector, place, 1024, type ? 0 : WRITE) == IO_ERROR,
                   "sectors that are not there");
        }
    }
    for (u32 length = 1; length < 512; length += 73) {
        EXPECT(disk_status(READ_SECTORS, 8, place, length, WRITE) == IO_ERROR, "a piece of a sector");
        EXPECT(disk_status(WRITE_SECTORS, 8, place, length, 0) == IO_ERROR, "a piece of a sector");
    }
    EXPECT(disk_status(READ_SECTORS, 8, place, 512, 0) == IO_ERROR, "a read of what is to be written");
    EXPECT(disk_status(WRITE_SECTORS, 8, place, 512, WRITE) == IO_ERROR, "the other way round");
    for (u32 type = 14; type < 40; type++) {
        EXPECT(disk_status(type, 0, place, 512, 0) == UNSUPPORTED, "what nobody knows is done");
    }
    EXPECT(disk_status(0xffffffff, 0, place, 512, WRITE) == UNSUPPORTED, "what nobody knows is done");
    // Ranges: more than all, past the end, with flags that are none; pieces and too many of them.
    volatile u32 *range = (volatile u32 *)buffer;
    static const u32 ranges[][4] = {{0, 0, 0xffffffff, 0}, {0xffffffff, 0xffffffff, 8, 0},
                                    {0xfffffff8, 0x7fffffff, 16, 1}, {0, 0, 8, 0xfffffffe}};
    for (u32 index = 0; index < sizeof ranges / 16; index++) {
        for (u32 word = 0; word < 4; word++) range[word] = ranges[index][word];
        EXPECT(disk_status(DISCARD, 0, place, 16, 0) != OK, "a bad range is discarded");
        EXPECT(disk_status(ZEROES, 0, place, 16, 0) != OK, "a bad range is zeroed");
    }
    EXPECT(disk_status(DISCARD, 0, place, 15, 0) != OK, "a piece of a range");
    EXPECT(disk_status(ZEROES, 0, place, 65536, 0) != OK, "ranges without end");
    // Nothing to say, nowhere to say it.
    put(0, 3, (u32)request, 16, 0, 0);
    publish(0, 3);
    put(0, 4, (u32)request, 1, WRITE, 0);
    publish(0, 4);
    put(0, 5, (u32)request, 0, WRITE, 0);
    publish(0, 5);
    EXPECT(wait_used(0, (u16)(asked + 3)), "half a request is not given back");
    works();
}

/// A ring with room for all, and requests of three descriptors each.
static struct {
    struct descriptor table[MANY];
    struct {
        u16 flags, index, ring[MANY], event;
    } available __attribute__((aligned(64)));
    struct {
        u16 flags, index;
        struct {
            u32 head, length;
        } ring[MANY];
        u16 event;
    } used __attribute__((aligned(64)));
    struct descriptor parts[MANY][3];
    struct {
        u32 type, reserved;
        u64 sector;
    } headers[MANY];
    u8 status[MANY];
} many __attribute__((aligned(4096)));
#define FLOOD (*(volatile __typeof__(many) *)&many)

static volatile u32 *chunk(u32 index) { return (volatile u32 *)(0x1000000 + index * CHUNK); }

/// Begins many large requests with one notification.
static void flood(u32 type) {
    negotiate(USES_INDIRECT, 1);
    set_queue(0, MANY, (u32)many.table, (u32)&many.available, (u32)&many.used);
    for (u32 index = 0; index < MANY; index++) {
        FLOOD.headers[index].type = type;
        FLOOD.headers[index].sector = 2048 + index * (CHUNK / 512);
        FLOOD.parts[index][0] = (struct descriptor){(u32)&many.headers[index], 16, MORE, 1};
        FLOOD.parts[index][1] = (struct descriptor){
            (u32)chunk(index), CHUNK, (u16)(MORE | (type == READ_SECTORS ? WRITE : 0)), 2};
        FLOOD.parts[index][2] = (struct descriptor){(u32)&many.status[index], 1, WRITE, 0};
        FLOOD.table[index] = (struct descriptor){(u32)many.parts[index], 48, INDIRECT, 0};
        FLOOD.available.ring[index] = (u16)index;
        FLOOD.status[index] = 0xff;
    }
    FLOOD.available.flags = FLOOD.used.flags = FLOOD.used.index = 0;
    FLOOD.available.index = MANY;
    set(0x70, STARTED);
    set(0x50, 0);
}

/// What lies where the requests had their data is ours again; no byte of it may change any more.
static void nothing_comes(void) {
    for (u32 index = 0; index < MANY; index++) {
        for (u32 part = 0; part < 4; part++) chunk(index)[part * 16384 + 100] = 0x12345678;
        FLOOD.status[index] = 0x77;
    }
    u16 used = FLOOD.used.index;
    for (u64 begin = ticks(); ticks() - begin < 20000000;) set(0x50, 0);
    for (u32 index = 0; index < MANY; index++) {
        for (u32 part = 0; part < 4; part++) {
            EXPECT(chunk(index)[part * 16384 + 100] == 0x12345678, "data comes after the end");
        }
        EXPECT(FLOOD.status[index] == 0x77, "a status comes after the end");
    }
    EXPECT(FLOOD.used.index == used, "a request is given back after the end");
}

/// Sixty-four requests of a quarter of a megabyte each, and an end to them at any moment.
static void floods(u32 type) {
    static const u32 delays[] = {0, 1, 4, 20, 100, 400};
    for (u32 index = 0; index < sizeof delays / 4; index++) {
        for (u32 end = 0; end < 3; end++) {
            flood(type);
            for (u32 turn = 0; turn < delays[index]; turn++) (void)get(0x70);
            if (end == 0) {
                set(0x70, 0);
                EXPECT(get(0x70) == 0, "a reset is not done");
            } else if (end == 1) {
                set(0x70, STARTED | FAILED);
                // The device is let go only by a reset, but does nothing any more.
                EXPECT(get(0x70) & FAILED, "a driver cannot give up");
            } else {
                FLOOD.available.index = 3 * MANY + 1;
                set(0x50, 0);
                EXPECT(wait_reset_needed(), "an index that jumps is taken");
            }
            nothing_comes();
            works();
        }
    }
    flood(type);
    EXPECT(SOON(FLOOD.used.index == MANY), "not all requests are answered");
    for (u32 index = 0; index < MANY; index++) {
        EXPECT(FLOOD.status[index] == OK, "a good request has failed");
    }
    works();
}

static void disk(void) {
    for (u32 number = 0; find(DISK, number); number++) {
        wrong_requests();
        // VIRTIO_BLK_F_RO
        set(0x14, 0);
        if (get(0x10) & 1 << 5) {
            disk_start();
            EXPECT(disk_status(WRITE_SECTORS, 8, (u32)buffer, 512, 0) == IO_ERROR, "it is read-only");
            EXPECT(disk_status(DISCARD, 0, (u32)buffer, 16, 0) == IO_ERROR, "it is read-only");
            EXPECT(disk_status(ZEROES, 0, (u32)buffer, 16, 0) == IO_ERROR, "it is read-only");
        } else {
            floods(WRITE_SECTORS);
        }
        floods(READ_SECTORS);
    }
    take(DISK, 2);
    all_work();
}

// MARK: Persistent memory

/// Where the device's memory lies.
static u64 pmem_place(void) { return (u64)get(0x104) << 32 | get(0x100); }

static u32 flush_status(u64 place, u32 type, u32 size, u32 room) {
    start_device(0);
    *(volatile u32 *)request = type;
    *(volatile u32 *)buffer = 0xffffffff;
    put(0, 0, (u32)request, size, room ? MORE : 0, 1);
    put(0, 1, place, room, WRITE, 0);
    publish(0, 0);
    EXPECT(wait_used(0, 1), "a request is not answered");
    return *(volatile u32 *)buffer;
}

static void pmem(void) {
    take(PMEM, 1);
    u64 sealed = pmem_place();
    take(PMEM, 0);
    u64 open = pmem_place();
    u32 here = (u32)buffer;
    for (u32 type = 1; type; type <<= 1) {
        EXPECT(flush_status(here, type, 4, 4) == 1, "what nobody knows is done");
    }
    for (u32 size = 0; size < 20; size++) {
        EXPECT(flush_status(here, 0, size, 4) == (size == 4 ? 0 : 1), "a request of another size");
    }
    for (u32 room = 0; room < 4; room++) {
        EXPECT(flush_status(here, 0, 4, room) == 0xffffffff, "an answer without room");
    }
    EXPECT(flush_status(here, 0, 4, 16 << 20) == 0, "an answer with too much room");
    // Its own memory, and a request that never ends.
    EXPECT(flush_status(open, 0, 4, 4) == 0xffffffff, "an answer is elsewhere, too");
    start_device(0);
    for (u32 turn = 0; turn < 400; turn++) publish(0, 0);
    // The host's kernel holds to what is read-only: a device may not fill it, whoever that is.
    static const u32 fillers[][2] = {{PMEM, 0}, {PMEM, 1}, {DISK, 0}, {DISK, 1}, {ENTROPY, 0}};
    for (u32 index = 0; index < sizeof fillers / 8; index++) {
        take(fillers[index][0], fillers[index][1]);
        lives();
        for (u32 slot = 0; slot < SIZE; slot++) {
            if (rings[0].table[slot].flags & WRITE) rings[0].table[slot].address = sealed;
        }
        publish(0, 0);
        EXPECT(wait_reset_needed(), "a device fills what is read-only");
        works();
    }
    // Queues in files: one that a device is to write into cannot be read-only.
    for (u32 part = 0; part < 3; part++) {
        for (u32 place = 0; place < 2; place++) {
            take(ENTROPY, 0);
            negotiate(0, 1);
            set_queue(0, SIZE, (u32)&rings[0].table, (u32)&rings[0].available, (u32)&rings[0].used);
            set(0x44, 0);
            set(0x80 + part * 0x10, (u32)(place ? open : sealed));
            set(0x84 + part * 0x10, (u32)((place ? open : sealed) >> 32));
            set(0x44, 1);
            rings[0].available.index = rings[0].used.index = 0;
            set(0x70, STARTED);
            publish(0, 0);
            // The file that can be written to is empty: a chain of no bytes, and no index.
            int is_wrong = WITHIN(1 << 24, get(0x70) & NEEDS_RESET);
            EXPECT(place || is_wrong, "a queue in what is read-only is served");
            works();
        }
    }
    // A disk's sector goes into the file.
    take(DISK, 0);
    disk_start();
    EXPECT(disk_status(READ_SECTORS, 0, open + 4096, 512, WRITE) == OK, "a file cannot be filled");
    EXPECT(disk_status(WRITE_SECTORS, 8, sealed, 512, 0) == OK, "what is read-only cannot be read");
    EXPECT(disk_status(READ_SECTORS, 8, (u32)buffer, 512, WRITE) == OK, "it cannot be read");
    EXPECT(buffer[0] == 0xa5 && buffer[511] == 0xa5, "it is something else");
    all_work();
}

// MARK: Socket

/// A packet of the guest's with everything that it may say. VIRTIO 1.2, 5.10.6.
static void packet(u32 from, u32 to, u32 port, u32 length, u32 operation, u32 credit) {
    volatile u32 *header = (volatile u32 *)request;
    static u32 dots = 0x1234567;
    for (u32 index = 0; index < 11; index++) header[index] = 0;
    header[0] = from;
    header[2] = to;
    header[4] = 2000 + dice(&dots) % 64;
    header[5] = port;
    header[6] = length;
    header[7] = operation;
    header[9] = credit;
    header[10] = dice(&dots) % 3 == 0 ? dice(&dots) : 0;
    u16 used = rings[1].used.index;
    publish(1, 0);
    // What it has answers for and no room to say them waits for the guest's, not for a packet's.
    for (u32 turn = 0; turn < 2000 && rings[1].used.index == used; turn++) (void)get(0x70);
}

static void socket(void) {
    take(SOCKET, 0);
    enum { LISTENER = 1024, STREAM = 1 << 0 };
    u32 seed = 0x2545f491;
    for (u32 turn = 0; turn < 6; turn++) {
        start_device(turn % 2 ? USES_EVENTS : 0);
        // In the last turns it never has room for an answer.
        for (u32 index = 0; turn < 4 && index < SIZE; index++) {
            put(0, index, (u32)buffer + index * 4096, turn < 2 ? 4096 : 44 + turn, WRITE, 0);
            publish(0, (u16)index);
        }
        put(1, 0, (u32)request, 44, MORE, 1);
        put(1, 1, 0x1000000, turn * 9000, 0, 0);
        if (turn == 0) rings[1].table[0].flags = 0;
        for (u32 step = 0; step < 150; step++) {
            u32 operation = step % 3 ? 1 + dice(&seed) % 8 : dice(&seed) % 12;
            packet(step % 17 ? 3 : dice(&seed), step % 13 ? 2 : dice(&seed),
                   step % 5 ? LISTENER : dice(&seed), step % 7 ? turn * 9000 : dice(&seed),
                   1 | operation << 16, step % 11 ? 1 << 18 : dice(&seed));
            if (step % 4 == 0 && turn < 4) {
                put(0, step / 4 % SIZE, (u32)buffer, 4096, WRITE, 0);
                publish(0, (u16)(step / 4 % SIZE));
            }
        }
        // Connections that are open when the device is reset, or given up.
        if (turn % 2) set(0x70, STARTED | FAILED);
        works();
    }
    // A listener of the host's takes whoever calls, and hears of it when the guest is gone.
    start_device(0);
    for (u32 index = 0; index < SIZE; index++) {
        put(0, index, (u32)buffer + index * 256, 256, WRITE, 0);
        publish(0, (u16)index);
    }
    put(1, 0, (u32)request, 44, 0, 0);
    packet(3, 2, LISTENER, 0, 1 | 1 << 16, 1 << 18);
    EXPECT(wait_used(0, 1), "nobody answers");
    EXPECT(*(volatile u16 *)(buffer + 30) == 2, "the listener is not reached");
    all_work();
}

// MARK: Network

static void net(void) {
    take(NET, 0);
    u32 seed = 0x9e3779b9;
    volatile u32 *header = (volatile u32 *)0x1000000;
    set(0x14, 0);
    u32 offered = get(0x10) & ~(u32)USES_EVENTS;
    static const u32 lengths[] = {0, 1, 11, 12, 13, 26, 72, 1526, 9000, 65562, 65600, 1 << 20, 32 << 20};
    for (u32 turn = 0; turn < 2; turn++) {
        start_device(turn ? offered : USES_INDIRECT);
        for (u32 index = 0; index < SIZE; index++) {
            put(0, index, (u32)buffer + index * 2048, index * 7, WRITE, 0);
            publish(0, (u16)index);
        }
        for (u32 step = 0; step < 200; step++) {
            for (u32 word = 0; word < 40; word++) header[word] = dice(&seed);
            // Flags and kinds of segments that may be, with checksums anywhere.
            if (step % 3) header[0] = (step & 1) | (step % 6) << 8 | dice(&seed) << 16;
            if (step % 4 == 0) header[3] = 0xffffffff, header[4] = 0x0006ffff;
            u32 length = lengths[step % (sizeof lengths / 4)];
            put(1, 0, (u32)header, length, step % 19 ? 0 : WRITE, 0);
            u16 used = rings[1].used.index;
            publish(1, 0);
            EXPECT(wait_used(1, (u16)(used + 1)), "a frame is not taken");
        }
        works();
        // Commands of every class, number and length; without an answer's room, too.
        start_device(offered);
        for (u32 class = 0; class < 7; class++) {
            for (u32 length = 0; length < 24; length++) {
                request[0] = (u8)class;
                request[1] = (u8)(length % 6);
                for (u32 index = 2; index < 24; index++) request[index] = (u8)dice(&seed);
                put(2, 0, (u32)request, length, MORE, 1);
                put(2, 1, (u32)buffer, length % 5 ? 1 : 0, WRITE, 0);
                u16 used = rings[2].used.index;
                publish(2, 0);
                if (offered & 1 << 17) {
                    EXPECT(wait_used(2, (u16)(used + 1)), "a command is not answered");
                }
            }
        }
        works();
    }
    all_work();
}

const struct hostile_case device_cases[] = {
    {"entropy", entropy}, {"balloon", balloon}, {"memory", memory}, {"disk", disk},
    {"pmem", pmem},       {"vsock", socket},    {"net", net},       {0, 0},
};
