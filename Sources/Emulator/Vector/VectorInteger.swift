// SPDX-License-Identifier: Apache-2.0

/// Integer instructions of SSE2 (66 0F) that take 16 bytes from register or memory. Their MMX forms
/// (0F) run on the same handlers.
extension Vectors {
    /// The handler of 66 0F `opcode`, or nil.
    static func integer(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x60...0x6d: Vectors.interleaveOrPack(opcode)
        case 0x74: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.ones(a .== b) } }
        case 0x75: { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.ones(a .== b) } }
        case 0x76: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.ones(a .== b) } }
        case 0xd1...0xd3, 0xe1, 0xe2, 0xf1...0xf3: Vectors.shiftByRegister(opcode)
        case 0xd4...0xdf: Vectors.integerD(opcode)
        case 0xe0...0xef: Vectors.integerE(opcode)
        case 0xf4...0xfe: Vectors.integerF(opcode)
        default: nil
        }
    }

    private static func interleaveOrPack(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x60:
            { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.interleaveLow(a, b) } }
        case 0x61:
            { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.interleaveLow(a, b) } }
        case 0x62:
            { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.interleaveLow(a, b) } }
        case 0x63:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.packSigned(a, b)
                }
            }
        case 0x64:
            { Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in Vectors.ones(a .> b) } }
        case 0x65:
            { Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in Vectors.ones(a .> b) } }
        case 0x66:
            { Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in Vectors.ones(a .> b) } }
        case 0x67:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.packUnsigned(a, b)
                }
            }
        case 0x68:
            { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.interleaveHigh(a, b) } }
        case 0x69:
            { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.interleaveHigh(a, b) } }
        case 0x6a:
            { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.interleaveHigh(a, b) } }
        case 0x6b:
            {
                Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in
                    Vectors.packSigned(a, b)
                }
            }
        case 0x6c: lowToHigh
        case 0x6d: highs
        default: nil
        }
    }

    private static func integerD(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xd4: { Vectors.binary($0, $1) { (a: Vector, b: Vector) in a &+ b } }
        case 0xd5: { Vectors.binary($0, $1) { (a: Words, b: Words) in a &* b } }
        case 0xd8:
            { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.subtractSaturating(a, b) } }
        case 0xd9:
            { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.subtractSaturating(a, b) } }
        case 0xda: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.smaller(a, b) } }
        case 0xdb: and
        case 0xdc:
            { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.addSaturating(a, b) } }
        case 0xdd:
            { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.addSaturating(a, b) } }
        case 0xde: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.larger(a, b) } }
        case 0xdf: andNot
        default: nil
        }
    }

    private static func integerE(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xe0: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.average(a, b) } }
        case 0xe3: { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.average(a, b) } }
        case 0xe4: { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.highProduct(a, b) } }
        case 0xe5:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.highProduct(a, b)
                }
            }
        case 0xe8:
            {
                Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in
                    Vectors.subtractSaturating(a, b)
                }
            }
        case 0xe9:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.subtractSaturating(a, b)
                }
            }
        case 0xea:
            { Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in Vectors.smaller(a, b) } }
        case 0xeb: or
        case 0xec:
            {
                Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in
                    Vectors.addSaturating(a, b)
                }
            }
        case 0xed:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.addSaturating(a, b)
                }
            }
        case 0xee:
            { Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in Vectors.larger(a, b) } }
        case 0xef: exclusiveOr
        default: nil
        }
    }

    private static func integerF(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xf4:
            { Vectors.binary($0, $1) { (a: Vector, b: Vector) in Vectors.evenProducts(a, b) } }
        case 0xf5:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.pairProducts(a, b)
                }
            }
        case 0xf6: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.differences(a, b) } }
        case 0xf8: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in a &- b } }
        case 0xf9: { Vectors.binary($0, $1) { (a: Words, b: Words) in a &- b } }
        case 0xfa: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in a &- b } }
        case 0xfb: { Vectors.binary($0, $1) { (a: Vector, b: Vector) in a &- b } }
        case 0xfc: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in a &+ b } }
        case 0xfd: { Vectors.binary($0, $1) { (a: Words, b: Words) in a &+ b } }
        case 0xfe: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in a &+ b } }
        default: nil
        }
    }

    // MARK: Bitwise, also of ANDPS and its kin

    static let and: Handler = { binary($0, $1) { (a: Vector, b: Vector) in a & b } }
    static let andNot: Handler = { binary($0, $1) { (a: Vector, b: Vector) in ~a & b } }
    static let or: Handler = { binary($0, $1) { (a: Vector, b: Vector) in a | b } }
    static let exclusiveOr: Handler = { binary($0, $1) { (a: Vector, b: Vector) in a ^ b } }

    // MARK: Interleaving

    @inline(__always) private static func interleaveLow(_ a: Bytes, _ b: Bytes) -> Bytes {
        var result = Bytes()
        result.evenHalf = a.lowHalf
        result.oddHalf = b.lowHalf
        return result
    }
    @inline(__always) private static func interleaveLow(_ a: Words, _ b: Words) -> Words {
        var result = Words()
        result.evenHalf = a.lowHalf
        result.oddHalf = b.lowHalf
        return result
    }
    @inline(__always) static func interleaveLow(_ a: Longs, _ b: Longs) -> Longs {
        Longs(a[0], b[0], a[1], b[1])
    }
    @inline(__always) private static func interleaveHigh(_ a: Bytes, _ b: Bytes) -> Bytes {
        var result = Bytes()
        result.evenHalf = a.highHalf
        result.oddHalf = b.highHalf
        return result
    }
    @inline(__always) private static func interleaveHigh(_ a: Words, _ b: Words) -> Words {
        var result = Words()
        result.evenHalf = a.highHalf
        result.oddHalf = b.highHalf
        return result
    }
    @inline(__always) static func interleaveHigh(_ a: Longs, _ b: Longs) -> Longs {
        Longs(a[2], b[2], a[3], b[3])
    }
}
