// SPDX-License-Identifier: Apache-2.0

/// Shifts by one count for all lanes. Counts beyond the lane give zero, or all sign bits.
extension Vectors {
    /// 66 0F D1…D3, E1, E2, F1…F3: the count is the low half of the source.
    static func shiftByRegister(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xd1:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.right(Vectors.cast(a, Words.self), b[0])
                }
            }
        case 0xd2:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.right(Vectors.cast(a, Longs.self), b[0])
                }
            }
        case 0xd3: { Vectors.binary($0, $1) { (a: Vector, b: Vector) in Vectors.right(a, b[0]) } }
        case 0xe1:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.right(Vectors.cast(a, SignedWords.self), b[0])
                }
            }
        case 0xe2:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.right(Vectors.cast(a, SignedLongs.self), b[0])
                }
            }
        case 0xf1:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.left(Vectors.cast(a, Words.self), b[0])
                }
            }
        case 0xf2:
            {
                Vectors.binary($0, $1) { (a: Vector, b: Vector) in
                    Vectors.left(Vectors.cast(a, Longs.self), b[0])
                }
            }
        case 0xf3: { Vectors.binary($0, $1) { (a: Vector, b: Vector) in Vectors.left(a, b[0]) } }
        default: nil
        }
    }

    /// 66 0F 71…73 with ModRM.reg `group`: the count is the immediate; `rm` is shifted into itself,
    /// and is both registers of the operation.
    static func shiftByImmediate(_ opcode: UInt8, group: Int) -> Handler? {
        switch (opcode, group) {
        case (0x71, 2):
            { Vectors.shift($0, $1) { Vectors.right(Vectors.cast($0, Words.self), $1) } }
        case (0x71, 4):
            { Vectors.shift($0, $1) { Vectors.right(Vectors.cast($0, SignedWords.self), $1) } }
        case (0x71, 6): { Vectors.shift($0, $1) { Vectors.left(Vectors.cast($0, Words.self), $1) } }
        case (0x72, 2):
            { Vectors.shift($0, $1) { Vectors.right(Vectors.cast($0, Longs.self), $1) } }
        case (0x72, 4):
            { Vectors.shift($0, $1) { Vectors.right(Vectors.cast($0, SignedLongs.self), $1) } }
        case (0x72, 6): { Vectors.shift($0, $1) { Vectors.left(Vectors.cast($0, Longs.self), $1) } }
        case (0x73, 2): { Vectors.shift($0, $1) { Vectors.right($0, $1) } }
        case (0x73, 3): { Vectors.shift($0, $1) { Vectors.bytesRight($0, $1) } }
        case (0x73, 6): { Vectors.shift($0, $1) { Vectors.left($0, $1) } }
        case (0x73, 7): { Vectors.shift($0, $1) { Vectors.bytesLeft($0, $1) } }
        default: nil
        }
    }

    @inline(__always) private static func shift<Out: BitwiseCopyable>(
        _ processor: UInt, _ operation: UInt, _ body: (Vector, UInt64) -> Out
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(
            op.reg, cast(body(cpu.vector(op.rm), UInt64(truncatingIfNeeded: op.immediate & 255))))
        return op.next
    }

    @inline(__always) private static func right(_ a: Words, _ count: UInt64) -> Words {
        guard count < 16 else { return .zero }
        return a &>> Words(repeating: UInt16(truncatingIfNeeded: count))
    }
    @inline(__always) private static func right(_ a: Longs, _ count: UInt64) -> Longs {
        guard count < 32 else { return .zero }
        return a &>> Longs(repeating: UInt32(truncatingIfNeeded: count))
    }
    @inline(__always) private static func right(_ a: Vector, _ count: UInt64) -> Vector {
        guard count < 64 else { return .zero }
        return a &>> Vector(repeating: count)
    }
    @inline(__always) private static func right(_ a: SignedWords, _ count: UInt64) -> SignedWords {
        a &>> SignedWords(repeating: Int16(truncatingIfNeeded: min(count, 15)))
    }
    @inline(__always) private static func right(_ a: SignedLongs, _ count: UInt64) -> SignedLongs {
        a &>> SignedLongs(repeating: Int32(truncatingIfNeeded: min(count, 31)))
    }
    @inline(__always) private static func left(_ a: Words, _ count: UInt64) -> Words {
        guard count < 16 else { return .zero }
        return a &<< Words(repeating: UInt16(truncatingIfNeeded: count))
    }
    @inline(__always) private static func left(_ a: Longs, _ count: UInt64) -> Longs {
        guard count < 32 else { return .zero }
        return a &<< Longs(repeating: UInt32(truncatingIfNeeded: count))
    }
    @inline(__always) private static func left(_ a: Vector, _ count: UInt64) -> Vector {
        guard count < 64 else { return .zero }
        return a &<< Vector(repeating: count)
    }

    /// PSRLDQ, PSLLDQ: by bytes, through both halves.
    @inline(__always) static func bytesRight(_ a: Vector, _ count: UInt64) -> Vector {
        let bits = count &* 8
        switch count {
        case 0: return a
        case 1...7: return Vector(a[0] &>> bits | a[1] &<< (64 &- bits), a[1] &>> bits)
        case 8...15: return Vector(a[1] &>> (bits &- 64), 0)
        default: return .zero
        }
    }
    @inline(__always) static func bytesLeft(_ a: Vector, _ count: UInt64) -> Vector {
        let bits = count &* 8
        switch count {
        case 0: return a
        case 1...7: return Vector(a[0] &<< bits, a[1] &<< bits | a[0] &>> (64 &- bits))
        case 8...15: return Vector(0, a[0] &<< (bits &- 64))
        default: return .zero
        }
    }
}
