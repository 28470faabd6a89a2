// SPDX-License-Identifier: Apache-2.0
import CAllocations

/// Allocations of this thread so far.
package func allocationCount() -> Int { allocations_of_this_thread() }

/// How many allocations `body` makes on this thread.
package func allocations(in body: () throws -> Void) rethrows -> Int {
    let before = allocations_of_this_thread()
    try body()
    return allocations_of_this_thread() - before
}
