// SPDX-License-Identifier: Apache-2.0
import Bus

/// The registers that ACPI's tables name for sleep, reset and the power button of a
/// hardware-reduced machine. ACPI 6.5, 4.8.3.
///
/// | offset | bytes | meaning |
/// |---|---|---|
/// | 0 | 1 | sleep control: bit 5 sleeps, bits 2–4 say how; 5 is off |
/// | 1 | 1 | sleep status: always zero, this machine never wakes |
/// | 2 | 1 | reset: writing 1 restarts |
///
/// The power button is the wire of the generic event device: its pulse says all there is to say, so
/// there is no state to save.
package final class PowerControl: BusDevice {
    package static let windowSize: UInt64 = 3
    package static let sleepControl: UInt64 = 0
    package static let sleepStatus: UInt64 = 1
    package static let resetRegister: UInt64 = 2
    /// What the reset register wants to see.
    package static let resetValue: UInt8 = 1
    /// The sleep type that means off; the `\_S5` package must say the same.
    package static let offSleepType: UInt8 = 5

    /// What the guest asked for.
    package enum Request: Hashable, Sendable { case powerOff, reset }

    private let requested: @Sendable (Request) -> Void
    private let interrupt: @Sendable () -> Void

    /// - Parameters:
    ///   - interrupt: Pulses the wire of the generic event device.
    ///   - requested: Called on the vCPU's thread.
    package init(
        interrupt: @escaping @Sendable () -> Void, requested: @escaping @Sendable (Request) -> Void
    ) {
        self.interrupt = interrupt
        self.requested = requested
    }

    /// Asks the guest to power off, as a person would.
    package func pressPowerButton() { interrupt() }

    package func read(offset: UInt64, size: Int) -> UInt64 { 0 }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        let byte = UInt8(truncatingIfNeeded: value)
        switch offset {
        case Self.sleepControl where byte & 0x20 != 0 && byte >> 2 & 7 == Self.offSleepType:
            requested(.powerOff)
        case Self.resetRegister where byte == Self.resetValue:
            requested(.reset)
        default:
            break
        }
    }
}
