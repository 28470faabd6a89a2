// SPDX-License-Identifier: Apache-2.0
import CLinux

/// The kernel's random numbers.
package enum RandomBytes {
    package static func make(count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            let result = unsafe clinux_random(buffer.baseAddress, count)
            used = max(result, 0)
        }
    }
}
