// SPDX-License-Identifier: Apache-2.0

/// An I/O APIC with 24 pins, version 0x20: it has an EOI register. Intel 82093AA data sheet.
///
/// It only says which message is due; whoever delivers it reports back with ``sent(pin:)``.
/// The polarity of an entry is kept and means nothing: a line is asserted or it is not.
package struct IOAPIC: Hashable, Sendable {
    /// Where its page of registers lies.
    package static var pageAddress: UInt64 { 0xfec0_0000 }
    package static var pinCount: Int { 24 }
    package static var version: UInt32 { 0x0017_0020 }

    private static var mask: UInt64 { 0x1_0000 }
    private static var level: UInt64 { 0x8000 }
    private static var remote: UInt64 { 0x4000 }
    /// Vector, delivery mode, destination mode, polarity, trigger, mask, destination.
    private static var writable: UInt64 { 0xff00_0000_0001_afff }

    package var index: UInt8 = 0
    package var id: UInt32 = 0
    /// Redirection entries, always 24.
    package var entries = [UInt64](repeating: mask, count: pinCount)
    /// Bit n: pin n is asserted.
    package var lines: UInt32 = 0

    package init() {}

    /// Reads the 32-bit register at `offset` in the page; 0 where there is none.
    package func read(offset: UInt64) -> UInt32 {
        switch offset {
        case 0x00: return UInt32(index)
        case 0x10: break
        default: return 0
        }
        switch index {
        case 0: return id
        case 1: return Self.version
        case 2: return id
        case 0x10..<0x40:
            let entry = entries[Int(index &- 0x10) / 2]
            return UInt32(truncatingIfNeeded: index & 1 == 0 ? entry : entry >> 32)
        default: return 0
        }
    }

    /// Writes the 32-bit register at `offset` in the page. Answers the pins to look at.
    package mutating func write(offset: UInt64, value: UInt32) -> UInt32 {
        switch offset {
        case 0x00: index = UInt8(truncatingIfNeeded: value)
        case 0x10 where index == 0: id = value & 0x0f00_0000
        case 0x10 where index >= 0x10 && index < 0x40:
            let pin = Int(index &- 0x10) / 2
            setHalf(pin, isHigh: index & 1 != 0, value)
            return 1 << UInt32(pin)
        case 0x40: return endOfInterrupt(UInt8(truncatingIfNeeded: value))
        default: break
        }
        return 0
    }

    private mutating func setHalf(_ pin: Int, isHigh: Bool, _ value: UInt32) {
        let old = entries[pin]
        let merged =
            isHigh
            ? old & 0xffff_ffff | UInt64(value) << 32
            : old & ~0xffff_ffff | UInt64(value)
        var new = merged & Self.writable | old & Self.remote
        // An edge-triggered entry waits for no EOI.
        if new & Self.level == 0 { new &= ~Self.remote }
        entries[pin] = new
    }

    /// Drives a pin. Answers the message that a rising edge or an asserted level makes due.
    package mutating func set(pin: Int, high: Bool) -> InterruptMessage? {
        guard pin >= 0, pin < Self.pinCount else { return nil }
        let bit: UInt32 = 1 << UInt32(pin)
        let wasHigh = lines & bit != 0
        guard high else {
            lines &= ~bit
            return nil
        }
        lines |= bit
        if entries[pin] & Self.level != 0 { return dueLevel(pin: pin) }
        // An edge that meets a masked pin is lost.
        return wasHigh || entries[pin] & Self.mask != 0 ? nil : message(pin)
    }

    /// The message that an asserted, unmasked, level-triggered pin owes.
    package func dueLevel(pin: Int) -> InterruptMessage? {
        guard pin >= 0, pin < Self.pinCount, lines >> UInt32(pin) & 1 != 0 else { return nil }
        let idle = entries[pin] & (Self.mask | Self.remote | Self.level) == Self.level
        return idle ? message(pin) : nil
    }

    /// The pin's message has been accepted. A level-triggered one now waits for EOI.
    package mutating func sent(pin: Int) {
        if entries[pin] & Self.level != 0 { entries[pin] |= Self.remote }
    }

    /// Ends level-triggered interrupts of `vector`. Answers the pins to look at.
    package mutating func endOfInterrupt(_ vector: UInt8) -> UInt32 {
        var pins: UInt32 = 0
        for pin in entries.indices where UInt8(truncatingIfNeeded: entries[pin]) == vector {
            guard entries[pin] & Self.level != 0, entries[pin] & Self.remote != 0 else { continue }
            entries[pin] &= ~Self.remote
            pins |= 1 << UInt32(pin)
        }
        return pins
    }

    /// True if nothing that happens at `pin` leads to an interrupt.
    package func isMasked(pin: Int) -> Bool { entries[pin] & Self.mask != 0 }

    private func message(_ pin: Int) -> InterruptMessage {
        let entry = entries[pin]
        return InterruptMessage(
            destination: InterruptMessage.destination(UInt8(truncatingIfNeeded: entry >> 56)),
            isLogical: entry & 0x800 != 0,
            mode: InterruptMessage.mode(UInt8(truncatingIfNeeded: entry >> 8)),
            vector: UInt8(truncatingIfNeeded: entry),
            isLevel: entry & Self.level != 0)
    }
}
