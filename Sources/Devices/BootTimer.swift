// SPDX-License-Identifier: Apache-2.0
import Bus
import Linux

/// Tells when the guest's init runs, as Firecracker's pseudo device does: init writes the byte 123
/// to the first page of the MMIO gap.
package final class BootTimer: BusDevice {
    package static let base: UInt64 = 0xc000_0000
    package static let windowSize: UInt64 = 0x1000
    package static let magic: UInt64 = 123

    private let reached: @Sendable (_ monotonic: UInt64) -> Void

    /// - Parameter reached: Called on the vCPU's thread with ``Clock/monotonic``, each time.
    package init(reached: @escaping @Sendable (_ monotonic: UInt64) -> Void) {
        self.reached = reached
    }

    package func read(offset: UInt64, size: Int) -> UInt64 { 0 }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        if offset == 0, size == 1, value & 0xff == Self.magic { reached(Clock.monotonic) }
    }
}
