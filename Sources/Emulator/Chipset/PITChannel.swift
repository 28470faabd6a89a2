// SPDX-License-Identifier: Apache-2.0

/// One of the three counters of an 8254. Time is in ticks of 1,193,182 Hz. Intel 8254 data sheet.
///
/// A count written while a periodic mode runs takes effect at once, not at the end of the period.
package struct PITChannel: Hashable, Sendable {
    /// The control word's low six bits: access 4–5, mode 1–3, BCD 0.
    package var control: UInt8 = 0x30
    package var reload: UInt16 = 0
    /// The tick at which counting began; nil until a count is loaded (and, where the mode asks
    /// for it, the gate has risen).
    package var start: UInt64?
    /// Ticks already counted when the gate stopped the counting.
    package var frozen: UInt64?
    package var gate: Bool
    /// A count has been loaded since the control word.
    package var isLoaded = false
    /// The low byte of a count whose high byte is still to come.
    package var lowByte: UInt8?
    /// The next read of a two-byte count is its high byte.
    package var readsHigh = false
    package var latchedCount: UInt16?
    package var latchedStatus: UInt8?
    /// The tick of the next rise of the output.
    package var nextRise: UInt64?

    package init(gate: Bool) { self.gate = gate }

    /// 0 to 5.
    package var mode: UInt8 {
        let code = control >> 1 & 7
        return code > 5 ? code & 3 : code
    }

    private var access: UInt8 { control >> 4 & 3 }
    private var isBCD: Bool { control & 1 != 0 }

    /// The programmed count: 1 to 65,536, in BCD to 10,000 (digits above 9 count for more).
    package var count: UInt64 {
        guard isBCD else { return reload == 0 ? 65_536 : UInt64(reload) }
        let digits = UInt64(reload)
        let value =
            (digits & 15) + (digits >> 4 & 15) * 10 + (digits >> 8 & 15) * 100
            + (digits >> 12) * 1000
        return value == 0 ? 10_000 : value
    }

    /// The period of modes 2 and 3, which need at least 2.
    private var period: UInt64 { max(count, 2) }

    private func elapsed(_ tick: UInt64) -> UInt64? {
        if let frozen { return frozen }
        guard let start else { return nil }
        return tick > start ? tick &- start : 0
    }

    /// The level of the output.
    package func output(_ tick: UInt64) -> Bool {
        guard let elapsed = elapsed(tick) else { return mode != 0 }
        switch mode {
        case 0, 1: return elapsed >= count
        case 2: return !gate || elapsed % period != period &- 1
        case 3: return !gate || elapsed % period < (period + 1) / 2
        default: return elapsed != count
        }
    }

    /// The counting element as the guest sees it.
    package func current(_ tick: UInt64) -> UInt16 {
        guard let elapsed = elapsed(tick) else { return reload }
        let modulus: UInt64 = isBCD ? 10_000 : 65_536
        let value: UInt64 =
            switch mode {
            case 2: period &- elapsed % period
            case 3: period &- (elapsed % period &* 2) % period & ~1
            default: (count &+ modulus &* 2 &- elapsed % modulus) % modulus
            }
        return encode(value % modulus)
    }

    private func encode(_ value: UInt64) -> UInt16 {
        guard isBCD else { return UInt16(truncatingIfNeeded: value) }
        let digits =
            value % 10 | (value / 10 % 10) << 4 | (value / 100 % 10) << 8
            | (value / 1000 % 10) << 12
        return UInt16(truncatingIfNeeded: digits)
    }

    /// A control word for this counter: counting stops until a count is loaded.
    package mutating func setControl(_ value: UInt8) {
        let gate = gate
        self = PITChannel(gate: gate)
        control = value & 0x3f
    }

    /// The counter latch command.
    package mutating func latchCount(_ tick: UInt64) {
        if latchedCount == nil { latchedCount = current(tick) }
    }

    /// The status half of the read-back command.
    package mutating func latchStatus(_ tick: UInt64) {
        guard latchedStatus == nil else { return }
        latchedStatus = (output(tick) ? 0x80 : 0) | (isLoaded ? 0 : 0x40) | control
    }

    /// Reads the counter's port.
    package mutating func read(_ tick: UInt64) -> UInt8 {
        if let status = latchedStatus {
            latchedStatus = nil
            return status
        }
        let value = latchedCount ?? current(tick)
        let isHigh = access == 2 || access == 3 && readsHigh
        if access == 3 { readsHigh.toggle() }
        if access != 3 || isHigh { latchedCount = nil }
        return UInt8(truncatingIfNeeded: isHigh ? value >> 8 : value)
    }

    /// Writes the counter's port.
    package mutating func write(_ value: UInt8, _ tick: UInt64) {
        switch access {
        case 1: load(UInt16(value), tick)
        case 2: load(UInt16(value) << 8, tick)
        default:
            if let low = lowByte {
                lowByte = nil
                load(UInt16(value) << 8 | UInt16(low), tick)
            } else {
                lowByte = value
                // The first byte stops mode 0.
                if mode == 0 { halt() }
            }
        }
    }

    private mutating func halt() {
        start = nil
        frozen = nil
        nextRise = nil
    }

    private mutating func load(_ value: UInt16, _ tick: UInt64) {
        reload = value
        isLoaded = true
        switch mode {
        case 1, 5: break
        case 0, 4:
            begin(tick)
            if !gate { freeze(tick) }
        default: if gate { begin(tick) }
        }
    }

    private mutating func begin(_ tick: UInt64) {
        start = tick
        frozen = nil
        nextRise = tick &+ (mode == 2 || mode == 3 ? period : count)
    }

    /// Goes on with a count that began at tick `first`, as of tick `now`: rises up to now are past.
    mutating func begin(at first: UInt64, now: UInt64) {
        begin(first)
        guard let due = nextRise, due <= now else { return }
        let repeats = mode == 2 || mode == 3
        nextRise = repeats ? due &+ ((now &- due) / period &+ 1) &* period : nil
    }

    private mutating func freeze(_ tick: UInt64) {
        frozen = elapsed(tick)
        nextRise = nil
    }

    /// Drives the gate. Low stops modes 0, 2, 3 and 4; a rise goes on in 0 and 4, and starts anew
    /// in the others.
    package mutating func setGate(_ high: Bool, _ tick: UInt64) {
        guard high != gate else { return }
        gate = high
        guard isLoaded else { return }
        switch (mode, high) {
        case (0, false), (4, false): freeze(tick)
        case (0, true), (4, true): resume(tick)
        case (2, false), (3, false): halt()
        case (_, true): begin(tick)
        default: break
        }
    }

    private mutating func resume(_ tick: UInt64) {
        guard let done = frozen else { return }
        frozen = nil
        start = tick &- done
        if done < count { nextRise = tick &+ (count &- done) }
    }

    /// True once for a rise of the output up to `tick`; missed periods are skipped.
    package mutating func rise(_ tick: UInt64) -> Bool {
        guard let due = nextRise, due <= tick else { return false }
        let repeats = mode == 2 || mode == 3
        nextRise = repeats ? due &+ ((tick &- due) / period &+ 1) &* period : nil
        return true
    }
}
