// SPDX-License-Identifier: Apache-2.0

/// Two states after the same case, made comparable and compared.
enum JudgeComparison {
    /// INT1, INT3, INTO and INT n: the host has gates for 3 and 4 that user programs may use, and INT1
    /// needs none; the software processor here has no gates, and refuses all.
    ///
    /// `start` is where the instruction before the instruction pointer begins.
    private static func refuseInterrupt(
        _ state: inout JudgedState, _ start: UInt64, _ emulated: JudgedState
    ) {
        // A single step is no INT1.
        let isINT1 = state.vector == 1 && emulated.vector == 13 && emulated.errorCode == 0xb
        guard isINT1 || state.vector == 3 || state.vector == 4 else { return }
        state.errorCode = state.vector << 3 | (isINT1 ? 3 : 2)
        state.vector = 13
        // Hypervisors of AMD's machines tell of INT1 before it or behind it.
        state.rip = isINT1 ? emulated.rip : start
    }

    /// What the host's kernel says in another way than the processor does.
    static func normalizeNative(
        _ state: inout JudgedState, start: UInt64, beside emulated: JudgedState
    ) {
        refuseInterrupt(&state, start, emulated)
        // The trap that TF asks for behind the judge's own jump.
        if state.vector == 1, state.rip == JudgedMemory.exit { state.vector = 0xff }
        // Linux calls every fault beyond what programs may have one of protection.
        if state.vector == 14, state.cr2 >= userEnd { state.errorCode |= 1 }
        // RF is set in what an exception saves, and not kept.
        state.rflags &= ~0x1_0000
    }

    static func normalizeEmulated(_ state: inout JudgedState) {
        if state.vector == 14, state.cr2 >= userEnd { state.errorCode |= 1 }
    }

    /// The last page of the lower half is no program's.
    private static var userEnd: UInt64 { 0x7fff_ffff_f000 }

    /// Leaves only what is compared.
    static func mask(_ state: inout JudgedState, _ judged: JudgeCase, is32: Bool) {
        state.rflags &= judged.definedFlags
        if state.vector != 14 { state.cr2 = 0 }
        if judged.hasManyAccesses && state.vector == 14 {
            state.cr2 = 0
            state.errorCode &= ~1
        }
        if state.vector == 14 || state.vector == 13 || state.vector == 12 || state.vector == 11 {
            // They have an error code.
        } else {
            state.errorCode = 0
        }
        if is32 {
            for number in 0..<8 { state.general[number] &= 0xffff_ffff }
            for number in 8..<16 { state.general[number] = 0 }
        }
        state.image[0] &= 0xff_ffff_ffff
        state.image[1] = 0
        state.image[2] = 0
        state.image[3] &= 0xffff_ffff
        for index in 0..<8 { state.image[5 + 2 * index] &= 0xffff }
    }

    /// Evens out what is allowed to differ.
    static func tolerate(
        _ judged: JudgeCase, _ before: JudgedState, _ native: JudgedState,
        _ emulated: inout JudgedState
    ) {
        // An unmasked overflow or underflow: whether the result is inexact as well.
        if native.vector == 19, native.mxcsr & 0x18 != 0 {
            emulated.mxcsr = emulated.mxcsr & ~0x20 | native.mxcsr & 0x20
        }
        if judged.comparesStrings, readsSourceFirst(native, emulated) {
            emulated.cr2 = native.cr2
            emulated.errorCode = native.errorCode
        }
        switch judged.tolerance {
        case .none: return
        case .estimate:
            let real = native.vector(judged.target)
            var ours = emulated.vector(judged.target)
            for lane in 0..<4 {
                let shift = UInt64(lane & 1) * 32
                let a = UInt32(truncatingIfNeeded: real[lane >> 1] >> shift)
                let b = UInt32(truncatingIfNeeded: ours[lane >> 1] >> shift)
                guard isNear(a, b) else { continue }
                ours[lane >> 1] = ours[lane >> 1] & ~(0xffff_ffff << shift) | UInt64(a) << shift
            }
            emulated.setVector(judged.target, ours)
        case .transcendental, .angle:
            let angle = judged.tolerance == .angle ? before.stack(0).signAndExponent : 0
            for index in 0..<2 {
                let real = native.stack(index)
                let ours = emulated.stack(index)
                guard isNear(real, ours, angle: angle) else { continue }
                emulated.setStack(
                    index, significand: real.significand, signAndExponent: real.signAndExponent)
            }
            // C1 tells the direction of rounding, PE that there was one.
            let loose: UInt16 = 0x220
            emulated.statusWord = emulated.statusWord & ~loose | native.statusWord & loose
        }
    }

    /// CMPS of two elements that both fault: ours reads the target first, as family 19h does, but for bytes
    /// on its model 11h (REP CMPSB begins with the source there, CMPSW with the target).
    private static func readsSourceFirst(_ native: JudgedState, _ emulated: JudgedState) -> Bool {
        guard native.vector == 14, emulated.vector == 14 else { return false }
        func holds(_ address: UInt64, _ register: UInt64, bases: [UInt64]) -> Bool {
            [0xffff, 0xffff_ffff, UInt64.max].contains { mask in
                bases.contains { address &- (register & mask &+ $0) < 8 }
            }
        }
        return holds(
            native.cr2, native.general[6], bases: [0, native.fsBase, native.gsBase])
            && holds(emulated.cr2, emulated.general[7], bases: [0])
    }

    /// Singles that differ by at most 2 × 1.5 × 2^-12, or tiny ones that were flushed.
    private static func isNear(_ a: UInt32, _ b: UInt32) -> Bool {
        if a == b { return true }
        guard (a ^ b) >> 31 == 0 else { return false }
        let x = Int64(a & 0x7fff_ffff)
        let y = Int64(b & 0x7fff_ffff)
        if x < 0x80_0000 && y < 0x80_0000 { return true }
        guard x < 0x7f80_0000, y < 0x7f80_0000 else { return false }
        return abs(x - y) < 1 << 13
    }

    /// Extended numbers whose significands differ in the last few bits; for functions of an angle,
    /// with the given exponent, in more of them the larger it is and the smaller they are.
    private static func isNear(
        _ a: (significand: UInt64, signAndExponent: UInt16),
        _ b: (significand: UInt64, signAndExponent: UInt16), angle: UInt16
    ) -> Bool {
        if a == b { return true }
        var slack = 6
        if angle != 0 {
            let one = 0x3fff
            let result = Int(a.signAndExponent & 0x7fff)
            slack += max(Int(angle & 0x7fff) - one, 0) + abs(one - result) * 2
            if result != 0x7fff && slack > 56 { return b.signAndExponent & 0x7fff != 0x7fff }
        }
        guard (a.signAndExponent ^ b.signAndExponent) & 0x8000 == 0 else { return false }
        let bound = UInt64(1) << UInt64(min(slack, 62))
        let exponents = Int(a.signAndExponent & 0x7fff) - Int(b.signAndExponent & 0x7fff)
        // Across a power of two the last digits look very different.
        switch exponents {
        case 0:
            let distance = a.significand &- b.significand
            return min(distance, 0 &- distance) < bound
        case 1: return a.significand &- 0x8000_0000_0000_0000 < bound && ~b.significand < bound
        case -1: return b.significand &- 0x8000_0000_0000_0000 < bound && ~a.significand < bound
        default: return false
        }
    }

    // MARK: Comparing

    static func agree(_ a: JudgedState, _ b: JudgedState) -> Bool {
        var difference = (a.rip ^ b.rip) | (a.rflags ^ b.rflags) | (a.cr2 ^ b.cr2)
        difference |= (a.fsBase ^ b.fsBase) | (a.gsBase ^ b.gsBase)
        difference |= UInt64(a.vector ^ b.vector) | UInt64(a.errorCode ^ b.errorCode)
        for number in 0..<16 { difference |= a.general[number] ^ b.general[number] }
        for word in 0..<52 { difference |= a.image[word] ^ b.image[word] }
        return difference == 0
    }

    /// One phrase for everything that differs: name, the host's value, ours.
    static func differences(_ a: JudgedState, _ b: JudgedState) -> [String] {
        var found: [String] = []
        func check(_ name: String, _ x: UInt64, _ y: UInt64) {
            guard x != y else { return }
            found.append("\(name) \(String(x, radix: 16)) ours \(String(y, radix: 16))")
        }
        check("vector", UInt64(a.vector), UInt64(b.vector))
        check("error", UInt64(a.errorCode), UInt64(b.errorCode))
        check("rip", a.rip, b.rip)
        check("flags", a.rflags, b.rflags)
        check("cr2", a.cr2, b.cr2)
        check("fs", a.fsBase, b.fsBase)
        check("gs", a.gsBase, b.gsBase)
        for number in 0..<16 { check("r\(number)", a.general[number], b.general[number]) }
        check("fcw", UInt64(a.controlWord), UInt64(b.controlWord))
        check("fsw", UInt64(a.statusWord), UInt64(b.statusWord))
        check("tags", UInt64(a.tags), UInt64(b.tags))
        check("mxcsr", UInt64(a.mxcsr), UInt64(b.mxcsr))
        for index in 0..<8 {
            check("st\(index)", a.image[4 + 2 * index], b.image[4 + 2 * index])
            check("st\(index)e", a.image[5 + 2 * index], b.image[5 + 2 * index])
        }
        for word in 0..<32 {
            check("xmm\(word >> 1).\(word & 1)", a.image[20 + word], b.image[20 + word])
        }
        return found
    }
}
