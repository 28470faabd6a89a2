// SPDX-License-Identifier: Apache-2.0
// The line of metrics that a process writes when a signal ends it.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// What such a line counts: where each digit is in ``clinux_keep_parting``'s list.
enum {
    CLINUX_PART_SECCOMP,
    CLINUX_PART_BUS,
    CLINUX_PART_SEGV,
    CLINUX_PART_XFSZ,
    CLINUX_PART_XCPU,
    CLINUX_PART_ILL,
    CLINUX_PART_TRAP,
    CLINUX_PART_NONE,
};

/// Keeps `line` for the end, and forgets the one before. Its thirteen digits at `time` become the time
/// in milliseconds, and the digit at the place that `digits` has for the end's reason becomes 1. Not
/// from two threads at once. -E2BIG if there is no room: then nothing is kept.
int clinux_keep_parting(
    int file, const uint8_t *line, size_t count, size_t time, const size_t digits[CLINUX_PART_NONE]);

/// Writes the line that was kept, if one was, and no second time. For signal handlers: it makes only
/// calls that every policy allows, takes no lock, and needs no other thread.
void clinux_part(int reason, int other_reason);
