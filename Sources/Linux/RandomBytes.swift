// SPDX-License-Identifier: Apache-2.0
import CLinux

/// The kernel's random numbers.
package enum RandomBytes {
    package static func make(count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
            used = unsafe fill(UnsafeMutableRawBufferPointer(buffer))
        }
    }

    /// Fills `bytes` from the front and answers how many came: all, unless the kernel has none or
    /// cannot write there. More than a page at once ends early when a signal comes. getrandom(2).
    package static func fill(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
        guard let base = bytes.baseAddress else { return 0 }
        var filled = 0
        while filled < bytes.count {
            let result = unsafe clinux_random(base + filled, bytes.count - filled)
            if result > 0 {
                filled += result
            } else if result != Int(-Errno.interrupted.rawValue) {
                break
            }
        }
        return filled
    }
}
