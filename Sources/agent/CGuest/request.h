// SPDX-License-Identifier: Apache-2.0
//
// What the files of this folder have in common.
#pragma once

#include "guest.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/// The result of a request, or the negated errno.
static inline int32_t outcome(long result) { return result < 0 ? -errno : (int32_t)result; }

/// The negated errno, with `fd` closed.
static inline int32_t close_with_error(int fd) {
    int32_t error = -errno;
    close(fd);
    return error;
}

static inline const char *text(const uint8_t *strings) { return (const char *)strings; }

/// The string after this one.
static inline const char *after(const char *string) { return string + strlen(string) + 1; }
