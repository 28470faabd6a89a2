// SPDX-License-Identifier: Apache-2.0
#pragma once

/// Allocations that the calling thread has made so far, in a process that this is linked into.
long allocations_of_this_thread(void);
