// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Allocations that the calling thread has made so far, in a process that this is linked into; with a
/// sanitizer, which has an allocator of its own, always 0.
long allocations_of_this_thread(void);
