// SPDX-License-Identifier: Apache-2.0
import Bus

/// A port that ends the machine with a value of the guest's choice, as QEMU's `isa-debug-exit`.
package final class DebugExit: BusDevice {
    package static let port: UInt64 = 0xf4
    package static let portCount: UInt64 = 4

    private let exited: @Sendable (UInt32) -> Void

    /// - Parameter exited: Called on the vCPU's thread with the value written.
    package init(exited: @escaping @Sendable (UInt32) -> Void) { self.exited = exited }

    package func read(offset: UInt64, size: Int) -> UInt64 { 0 }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        let mask: UInt64 = size >= 4 ? 0xffff_ffff : (1 << (UInt64(size) * 8)) - 1
        exited(UInt32(truncatingIfNeeded: value & mask))
    }
}
