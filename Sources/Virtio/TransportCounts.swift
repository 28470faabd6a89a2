// SPDX-License-Identifier: Apache-2.0

/// What has happened to a device's queues since it was made.
package struct TransportCounts: Sendable {
    /// Of each queue.
    package var notifications = InlineArray<8, UInt64>(repeating: 0)
    /// Times that the host side had something to do.
    package var hostEvents: UInt64 = 0
    /// Rings that the driver broke, by the queue that was served when it was seen;
    /// ``hostSide`` if it was the host side.
    package var brokenRings = InlineArray<9, UInt64>(repeating: 0)
    /// The place of the host side, behind the queues.
    package static var hostSide: Int { 8 }
    /// Accesses to the configuration space that go past its end.
    package var wrongConfigurations: UInt64 = 0
    /// Rings that it set up wrongly.
    package var failedActivations: UInt64 = 0
    /// Interrupts raised.
    package var interrupts: UInt64 = 0
    /// Changes that the driver was told of.
    package var configurationChanges: UInt64 = 0
}
