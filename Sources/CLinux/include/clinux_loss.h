// SPDX-License-Identifier: Apache-2.0
// Mapped files that become shorter, or whose disk is full, while somebody reads or writes them.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// As Firecracker's status after SIGBUS.
static const int CLINUX_MEMORY_LOST = 149;

/// SIGBUS is answered here, and by nobody else.
extern int clinux_watches_loss;
/// From now on a page missing among these `count` bytes ends the process with 149 and `sentence`.
int clinux_watch_loss(uintptr_t start, size_t count, const char *sentence);
void clinux_forget_loss(uintptr_t start);
