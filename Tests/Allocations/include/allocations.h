// SPDX-License-Identifier: Apache-2.0
// Counts what a thread allocates, for tests that promise none.
#pragma once

/// Allocations of the calling thread so far; with a sanitizer, which has an allocator of its own,
/// always 0.
unsigned long allocations_count(void);
