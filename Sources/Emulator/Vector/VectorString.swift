// SPDX-License-Identifier: Apache-2.0

/// PCMPESTRI, PCMPESTRM, PCMPISTRI, PCMPISTRM. Intel SDM 2, 4.1.
extension Vectors {
    /// 66 0F3A 60…63. Lengths of the explicit forms are those of RAX and RDX if `wide`.
    static func compareStrings(_ opcode: UInt8, wide: Bool) -> Handler? {
        switch (opcode, wide) {
        case (0x60, false): { Vectors.compareStrings($0, $1, .explicit32, mask: true) }
        case (0x60, true): { Vectors.compareStrings($0, $1, .explicit64, mask: true) }
        case (0x61, false): { Vectors.compareStrings($0, $1, .explicit32, mask: false) }
        case (0x61, true): { Vectors.compareStrings($0, $1, .explicit64, mask: false) }
        case (0x62, _): { Vectors.compareStrings($0, $1, .implicit, mask: true) }
        case (0x63, _): { Vectors.compareStrings($0, $1, .implicit, mask: false) }
        default: nil
        }
    }

    /// Where the strings' lengths come from.
    private enum Lengths {
        /// The first zero.
        case implicit
        /// EAX and EDX.
        case explicit32
        /// RAX and RDX.
        case explicit64
    }

    @inline(never) private static func compareStrings(
        _ processor: UInt, _ operation: UInt, _ lengths: Lengths, mask: Bool
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let comparison = StringComparison(
            control: UInt8(truncatingIfNeeded: op.immediate),
            first: elements(cpu, op.reg, lengths, cpu.rax, op),
            second: elements(cpu, op.rm, lengths, cpu.rdx, op))
        let bits = comparison.result
        if mask {
            cpu.setVector(0, comparison.mask(bits))
        } else {
            cpu.rcx = comparison.index(bits)
        }
        var flags: UInt64 = bits != 0 ? 1 : 0
        if comparison.second.length < comparison.count { flags |= 0x40 }
        if comparison.first.length < comparison.count { flags |= 0x80 }
        if bits & 1 != 0 { flags |= 0x800 }
        cpu.flags = Flags(bits: flags)
        return op.next
    }

    private static func elements(
        _ cpu: Processor, _ number: UInt8, _ lengths: Lengths, _ register: UInt64, _ op: Op
    ) -> StringElements {
        let words = op.immediate & 1 != 0
        let count = words ? 8 : 16
        var result = StringElements()
        for index in 0..<count {
            if words {
                let word: UInt16 = cpu.lane(number, index)
                result.values[index] =
                    op.immediate & 2 != 0 ? Int32(Int16(bitPattern: word)) : Int32(word)
            } else {
                let byte: UInt8 = cpu.lane(number, index)
                result.values[index] =
                    op.immediate & 2 != 0 ? Int32(Int8(bitPattern: byte)) : Int32(byte)
            }
        }
        let length: UInt64
        switch lengths {
        case .implicit:
            var zero = 0
            while zero < count && result.values[zero] != 0 { zero &+= 1 }
            length = UInt64(zero)
        case .explicit32: length = UInt64(Int32(truncatingIfNeeded: register).magnitude)
        case .explicit64: length = Int64(bitPattern: register).magnitude
        }
        result.length = Int(min(length, UInt64(count)))
        return result
    }
}

/// One operand of a string comparison.
private struct StringElements {
    /// The first 8 or all 16, extended as the control byte says.
    var values = SIMD16<Int32>.zero
    /// Valid ones.
    var length = 0
}

/// The aggregation of one comparison.
private struct StringComparison {
    let control: UInt8
    let first: StringElements
    let second: StringElements

    var isWords: Bool { control & 1 != 0 }
    /// Elements of an operand.
    var count: Int { isWords ? 8 : 16 }

    /// IntRes2: bit j tells of element j of the second operand.
    var result: UInt32 {
        var bits: UInt32 = 0
        for index in 0..<count where holds(index) { bits |= 1 &<< UInt32(index) }
        let all: UInt32 = isWords ? 0xff : 0xffff
        switch control >> 4 & 3 {
        case 1: return bits ^ all
        case 3: return bits ^ ((1 &<< UInt32(second.length)) &- 1)
        default: return bits
        }
    }

    private func holds(_ index: Int) -> Bool {
        switch control >> 2 & 3 {
        case 0: return index < second.length && isAny(second.values[index])
        case 1: return index < second.length && isInRange(second.values[index])
        case 2:
            if index < first.length && index < second.length {
                return first.values[index] == second.values[index]
            }
            return index >= first.length && index >= second.length
        default: return begins(at: index)
        }
    }

    private func isAny(_ value: Int32) -> Bool {
        for index in 0..<first.length where first.values[index] == value { return true }
        return false
    }

    private func isInRange(_ value: Int32) -> Bool {
        var index = 0
        while index &+ 1 < first.length {
            if first.values[index] <= value && value <= first.values[index &+ 1] { return true }
            index &+= 2
        }
        return false
    }

    /// The first operand is at `start` in the second, as far as that reaches within its 16 bytes.
    private func begins(at start: Int) -> Bool {
        for index in 0..<min(first.length, count &- start) {
            let place = start &+ index
            guard place < second.length, first.values[index] == second.values[place] else {
                return false
            }
        }
        return true
    }

    /// The lowest or highest set bit, or the number of elements if there is none.
    func index(_ bits: UInt32) -> UInt64 {
        if bits == 0 { return UInt64(count) }
        return UInt64(
            control & 0x40 != 0 ? 31 &- bits.leadingZeroBitCount : bits.trailingZeroBitCount)
    }

    /// The bits themselves, or each widened to its element.
    func mask(_ bits: UInt32) -> Vector {
        guard control & 0x40 != 0 else { return Vector(UInt64(bits), 0) }
        if isWords {
            var words = Words.zero
            for index in 0..<8 where bits >> UInt32(index) & 1 != 0 { words[index] = .max }
            return Vectors.cast(words)
        }
        var bytes = Bytes.zero
        for index in 0..<16 where bits >> UInt32(index) & 1 != 0 { bytes[index] = .max }
        return Vectors.cast(bytes)
    }
}
