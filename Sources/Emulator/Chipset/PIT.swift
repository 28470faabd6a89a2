// SPDX-License-Identifier: Apache-2.0

/// The PC's 8254 interval timer and system control port B: ports 0x40 to 0x43 and 0x61.
/// Intel 8254 data sheet. Counter 0 drives IRQ 0; counter 2's gate and output are at port 0x61.
package struct PIT: Hashable, Sendable {
    /// Ticks a second.
    package static var frequency: UInt64 { 1_193_182 }

    package var first = PITChannel(gate: true)
    package var second = PITChannel(gate: true)
    package var third = PITChannel(gate: false)
    /// Bits 0 to 3 of port 0x61 as written: gate of counter 2, speaker, two check enables.
    package var control: UInt8 = 0

    package init() {}

    /// The ticks in `now` nanoseconds.
    package static func ticks(at now: UInt64) -> UInt64 {
        let product = now.multipliedFullWidth(by: frequency)
        return (1_000_000_000 as UInt64).dividingFullWidth(product).quotient
    }

    /// The first nanosecond of `tick`; `.max` past the end of time.
    package static func nanoseconds(at tick: UInt64) -> UInt64 {
        let product = tick.multipliedFullWidth(by: 1_000_000_000)
        guard product.high < frequency else { return .max }
        let (quotient, remainder) = frequency.dividingFullWidth(product)
        return quotient == .max || remainder == 0 ? quotient : quotient &+ 1
    }

    /// True once for a rise of counter 0's output up to `now`.
    @inline(__always)
    package mutating func advance(now: UInt64) -> Bool {
        guard first.nextRise != nil else { return false }
        return first.rise(Self.ticks(at: now))
    }

    /// When ``advance(now:)`` will next answer true; `.max` for never.
    package var nextDeadline: UInt64 {
        first.nextRise.map(Self.nanoseconds(at:)) ?? .max
    }

    /// Reads one of the five ports; nil for others.
    package mutating func read(port: UInt16, now: UInt64) -> UInt8? {
        let tick = Self.ticks(at: now)
        switch port {
        case 0x40: return first.read(tick)
        case 0x41: return second.read(tick)
        case 0x42: return third.read(tick)
        case 0x43: return 0xff
        case 0x61:
            // The refresh bit toggles about every 15 µs.
            let refresh: UInt8 = now / 15_085 & 1 != 0 ? 0x10 : 0
            return control | refresh | (third.output(tick) ? 0x20 : 0)
        default: return nil
        }
    }

    /// Writes one of the five ports; false for others.
    package mutating func write(port: UInt16, _ value: UInt8, now: UInt64) -> Bool {
        let tick = Self.ticks(at: now)
        switch port {
        case 0x40: first.write(value, tick)
        case 0x41: second.write(value, tick)
        case 0x42: third.write(value, tick)
        case 0x43: command(value, tick)
        case 0x61:
            control = value & 0xf
            third.setGate(value & 1 != 0, tick)
        default: return false
        }
        return true
    }

    private mutating func command(_ value: UInt8, _ tick: UInt64) {
        guard value >> 6 == 3 else {
            with(value >> 6) { channel in
                if value & 0x30 == 0 { channel.latchCount(tick) } else { channel.setControl(value) }
            }
            return
        }
        for index in 0..<3 as Range<UInt8> where value >> (index + 1) & 1 != 0 {
            with(index) { channel in
                if value & 0x20 == 0 { channel.latchCount(tick) }
                if value & 0x10 == 0 { channel.latchStatus(tick) }
            }
        }
    }

    private mutating func with(_ index: UInt8, _ body: (inout PITChannel) -> Void) {
        switch index {
        case 0: body(&first)
        case 1: body(&second)
        default: body(&third)
        }
    }
}
