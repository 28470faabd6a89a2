// SPDX-License-Identifier: Apache-2.0
import CAllocations

/// How many allocations `body` makes on this thread.
package func allocations(in body: () throws -> Void) rethrows -> Int {
    let before = allocations_of_this_thread()
    try body()
    return allocations_of_this_thread() - before
}
