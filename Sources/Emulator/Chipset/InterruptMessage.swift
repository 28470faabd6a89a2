// SPDX-License-Identifier: Apache-2.0

/// An interrupt on its way to local APICs. Intel SDM 3, 11.6.1, 11.11.
package struct InterruptMessage: Hashable, Sendable {
    /// What the message does where it arrives.
    package enum DeliveryMode: UInt8, Hashable, Sendable {
        case fixed, lowestPriority, systemManagement, remoteRead
        case nonMaskable, initialize, startup, external
    }

    /// Everyone, in either destination mode.
    package static var broadcast: UInt32 { .max }

    /// An APIC ID or a logical set; ``broadcast`` for everyone.
    package var destination: UInt32
    package var isLogical: Bool
    package var mode: DeliveryMode
    package var vector: UInt8
    /// Level-triggered: the receiver tells the I/O APICs when it is done.
    package var isLevel: Bool
    /// False for INIT level de-assert, which does nothing on processors of today.
    package var isAsserted = true

    package init(
        destination: UInt32, isLogical: Bool, mode: DeliveryMode, vector: UInt8,
        isLevel: Bool = false
    ) {
        self.destination = destination
        self.isLogical = isLogical
        self.mode = mode
        self.vector = vector
        self.isLevel = isLevel
    }

    /// The destination that eight bits name: 0xff is everyone.
    package static func destination(_ short: UInt8) -> UInt32 {
        short == 0xff ? broadcast : UInt32(short)
    }

    /// The message that an interrupt command asks for. In xAPIC mode the destination has 8 bits.
    package init(command: UInt64, isX2: Bool) {
        let long = UInt32(truncatingIfNeeded: command >> 32)
        destination = isX2 ? long : Self.destination(UInt8(truncatingIfNeeded: long >> 24))
        isLogical = command & 0x800 != 0
        mode = Self.mode(UInt8(truncatingIfNeeded: command >> 8))
        vector = UInt8(truncatingIfNeeded: command)
        isLevel = false
        isAsserted = command & 0x8000 == 0 || command & 0x4000 != 0
    }

    /// The message that a device's memory write asks for, or nil where `address` is no APIC's.
    package init?(msiAddress address: UInt64, data: UInt32) {
        guard address >> 20 == 0xfee else { return nil }
        destination = Self.destination(UInt8(truncatingIfNeeded: address >> 12))
        isLogical = address & 4 != 0
        mode = Self.mode(UInt8(truncatingIfNeeded: data >> 8))
        vector = UInt8(truncatingIfNeeded: data)
        isLevel = data & 0x8000 != 0
        isAsserted = !isLevel || data & 0x4000 != 0
    }

    /// The low three bits of `code`.
    package static func mode(_ code: UInt8) -> DeliveryMode {
        DeliveryMode(rawValue: code & 7) ?? .fixed
    }
}
