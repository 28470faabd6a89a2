// SPDX-License-Identifier: Apache-2.0

/// The six arithmetic flags, kept as what they derive from rather than as bits.
///
/// An operation leaves its result, sign-extended to 64 bits, and the carries out of each bit of its
/// addition or subtraction, shifted so that the carry out of the operand's top bit is bit 63 and the
/// one into it bit 62; the carry out of bit 3 stays at bit 3. All six flags follow without a branch,
/// and only when somebody asks. Bit 0 and bits 8–15 of `carries` repair SF and PF where they were
/// set to something that no result has (POPF, SAHF).
struct Flags: BitwiseCopyable {
    var result: Int64 = 1
    var carries: UInt64 = 0

    private static var topBits: UInt64 { 0xc000_0000_0000_0008 }

    @inline(__always) init() {}

    /// Of an operation without carries (AND, OR, XOR, TEST): CF, OF and AF clear.
    @inline(__always) init<T: Word>(logical result: T) {
        self.result = result.extended
        carries = 0
    }

    /// Of an addition or subtraction with the given vector of carries out of each bit.
    @inline(__always) init<T: Word>(result: T, carryOut: T) {
        self.result = result.extended
        let wide = UInt64(truncatingIfNeeded: carryOut)
        if T.bitWidth == 64 {
            carries = wide & Self.topBits
        } else {
            let up = wide << UInt64(64 - T.bitWidth)
            carries = (up & 0xc000_0000_0000_0000) | (wide & 8)
        }
    }

    /// With CF and OF given; AF clear.
    @inline(__always) init<T: Word>(result: T, carry: Bool, overflow: Bool) {
        self.result = result.extended
        let cf: UInt64 = carry ? 1 : 0
        let of: UInt64 = overflow ? 1 : 0
        carries = cf << 63 | (cf ^ of) << 62
    }

    @inline(__always) var carry: Bool { carries >> 63 != 0 }
    @inline(__always) var carryBit: UInt64 { carries >> 63 }
    @inline(__always) var zero: Bool { result == 0 }
    @inline(__always) var sign: Bool { (UInt64(bitPattern: result) >> 63) ^ (carries & 1) != 0 }
    @inline(__always) var overflow: Bool { (carries ^ carries << 1) >> 63 != 0 }
    @inline(__always) var adjust: Bool { carries & 8 != 0 }
    @inline(__always) var parity: Bool {
        let byte = UInt64(bitPattern: result) ^ carries >> 8
        return (byte & 0xff).nonzeroBitCount & 1 == 0
    }

    /// The flags at their places in RFLAGS: CF 0, PF 2, AF 4, ZF 6, SF 7, OF 11.
    var bits: UInt64 {
        @inline(__always) get {
            carryBit | (parity ? 4 : 0) | (adjust ? 0x10 : 0) | (zero ? 0x40 : 0)
                | (sign ? 0x80 : 0) | (overflow ? 0x800 : 0)
        }
        set { self = Flags(bits: newValue) }
    }

    /// From RFLAGS.
    init(bits: UInt64) {
        result = bits & 0x40 != 0 ? 0 : 1
        // The result is not negative, so SF needs the repair bit whenever it is set; likewise the
        // low byte has even parity only if the result is 0.
        let evenParity = bits & 0x40 != 0
        let cf = bits & 1
        let of = bits >> 11 & 1
        carries = cf << 63 | (cf ^ of) << 62
        if bits & 0x10 != 0 { carries |= 8 }
        if bits & 0x80 != 0 { carries |= 1 }
        if (bits & 4 != 0) != evenParity { carries |= 0x100 }
    }

    /// The same flags with another CF.
    @inline(__always) func settingCarry(_ carry: Bool) -> Flags {
        var flags = self
        let of = (carries ^ carries << 1) >> 63
        let cf: UInt64 = carry ? 1 : 0
        flags.carries = (carries & ~0xc000_0000_0000_0000) | cf << 63 | (cf ^ of) << 62
        return flags
    }

    /// Evaluates condition code `cc` (the low four bits of Jcc, SETcc, CMOVcc). Intel SDM 1, B.1.
    @inline(__always) func holds(_ cc: UInt16) -> Bool {
        let value: Bool
        switch cc >> 1 {
        case 0: value = overflow
        case 1: value = carry
        case 2: value = zero
        case 3: value = carry || zero
        case 4: value = sign
        case 5: value = parity
        case 6: value = sign != overflow
        default: value = zero || sign != overflow
        }
        return value != (cc & 1 != 0)
    }
}
