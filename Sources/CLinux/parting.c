// SPDX-License-Identifier: Apache-2.0
// The line of metrics that a process writes when a signal ends it.
#include "clinux_gnu.h"
#include "clinux_parting.h"
#include "clinux_system.h"

#include <string.h>

/// A line is made by threads that take locks and memory, which a handler may not wait for: whoever holds
/// them may be the thread that it interrupts. So it lies ready, complete but for two places.
static struct parting {
    int file;
    size_t count, time, digits[CLINUX_PART_NONE];
    char line[64 << 10];
} lines[2];
static struct parting *_Atomic kept;
static int is_written;

int clinux_keep_parting(
    int file, const uint8_t *line, size_t count, size_t time, const size_t digits[CLINUX_PART_NONE]) {
    if (count < 13 || time > count - 13) return -EINVAL;
    for (int reason = 0; reason < CLINUX_PART_NONE; reason++)
        if (digits[reason] >= count) return -EINVAL;
    // A handler may be writing the one that is kept.
    struct parting *next = kept == lines ? lines + 1 : lines;
    if (count > sizeof next->line) {
        kept = 0;
        return -E2BIG;
    }
    memcpy(next->line, line, count);
    memcpy(next->digits, digits, sizeof next->digits);
    next->file = file;
    next->count = count;
    next->time = time;
    kept = next;
    return 0;
}

void clinux_part(int reason, int other_reason) {
    struct parting *line = kept;
    if (!line || __atomic_exchange_n(&is_written, 1, __ATOMIC_SEQ_CST)) return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t rest = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    for (size_t place = 13; place-- > 0; rest /= 10)
        line->line[line->time + place] = (char)('0' + rest % 10);
    if (reason < CLINUX_PART_NONE) line->line[line->digits[reason]] = '1';
    if (other_reason < CLINUX_PART_NONE) line->line[line->digits[other_reason]] = '1';
    for (size_t done = 0; done < line->count;) {
        ssize_t written = write(line->file, line->line + done, line->count - done);
        if (written <= 0) return;
        done += (size_t)written;
    }
}
