// SPDX-License-Identifier: Apache-2.0
import CLinux

/// x87 and SSE state to and from the first 416 bytes of an XSAVE image. Intel SDM 1, 10.5.1.
extension Processor {
    /// Takes the state over from an image of at least 512 bytes.
    func loadFloatingPoint(_ image: [UInt8]) {
        func word(_ offset: Int) -> UInt64 {
            var value: UInt64 = 0
            for index in 0..<8 { value |= UInt64(image[offset + index]) << UInt64(index * 8) }
            return value
        }
        let first = word(0)
        var unit = X87State()
        let status = UInt16(truncatingIfNeeded: first >> 16)
        unit.control = UInt16(truncatingIfNeeded: first) & 0x1f7f | 0x40
        unit.status = status & ~0x3800
        unit.top = UInt8(truncatingIfNeeded: status >> 11 & 7)
        unit.empty = ~UInt8(truncatingIfNeeded: first >> 32)
        unit.lastOpcode = UInt16(truncatingIfNeeded: first >> 48) & 0x7ff
        unit.lastInstruction = word(8)
        unit.lastData = word(16)
        let waits = unit.status & ~unit.control & X87Status.exceptions != 0
        unit.status = unit.status & ~X87Status.waits | (waits ? X87Status.waits : 0)
        state.x87 = unit
        for index in 0..<8 {
            let image = X87Image(
                significand: word(32 + index * 16),
                signAndExponent: UInt16(truncatingIfNeeded: word(40 + index * 16)))
            setX87Image(Int(unit.top) &+ index, image)
        }
        state.mxcsr = UInt32(truncatingIfNeeded: word(24)) & 0xffff
        for number in 0..<16 {
            let place = 160 + number * 16
            setVector(UInt8(number), SIMD2(word(place), word(place + 8)))
        }
    }

    /// Writes the state into an image of at least 512 bytes. MXCSR's flags must have been gathered
    /// (``leaveFloatEnvironment()``).
    func storeFloatingPoint(into image: inout [UInt8]) {
        func put(_ offset: Int, _ value: UInt64) {
            for index in 0..<8 {
                image[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
            }
        }
        let unit = state.x87
        let status = unit.status & ~0x3800 | UInt16(unit.top & 7) << 11
        put(
            0,
            UInt64(unit.control) | UInt64(status) << 16 | UInt64(~unit.empty) << 32
                | UInt64(unit.lastOpcode & 0x7ff) << 48)
        put(8, unit.lastInstruction)
        put(16, unit.lastData)
        // MXCSR_MASK stays what it is, if it is anything.
        let mask = (0..<4).reduce(UInt64(0)) { $0 | UInt64(image[28 + $1]) << UInt64(32 + $1 * 8) }
        put(24, UInt64(state.mxcsr) | (mask == 0 ? 0xffff << 32 : mask))
        for index in 0..<8 {
            let value = x87Image(Int(unit.top) &+ index)
            put(32 + index * 16, value.significand)
            put(40 + index * 16, UInt64(value.signAndExponent))
        }
        for number in 0..<16 {
            let value = vector(UInt8(number))
            put(160 + number * 16, value[0])
            put(168 + number * 16, value[1])
        }
    }

    /// Gathers MXCSR's flags from the thread's environment, which then is the host's again.
    @inline(never) func leaveFloatEnvironment() {
        state.mxcsr = controlStatus
        clinux_clear_float_exceptions()
        clinux_set_rounding(0)
    }
}
