// SPDX-License-Identifier: Apache-2.0

/// Integer instructions of SSE2 (66 0F) that take 16 bytes from register or memory. Their MMX forms
/// (0F) run on the same handlers.
extension Vectors {
    /// The handler of 66 0F `opcode`, or nil.
    static func integer(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x60...0x6d: interleaveOrPack(opcode)
        case 0x74: { binary($0, $1) { (a: Bytes, b: Bytes) in ones(a .== b) } }
        case 0x75: { binary($0, $1) { (a: Words, b: Words) in ones(a .== b) } }
        case 0x76: { binary($0, $1) { (a: Longs, b: Longs) in ones(a .== b) } }
        case 0xd1...0xd3, 0xe1, 0xe2, 0xf1...0xf3: shiftByRegister(opcode)
        case 0xd4...0xdf: integerD(opcode)
        case 0xe0...0xef: integerE(opcode)
        case 0xf4...0xfe: integerF(opcode)
        default: nil
        }
    }

    private static func interleaveOrPack(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x60: { binary($0, $1) { (a: Bytes, b: Bytes) in interleaveLow(a, b) } }
        case 0x61: { binary($0, $1) { (a: Words, b: Words) in interleaveLow(a, b) } }
        case 0x62: { binary($0, $1) { (a: Longs, b: Longs) in interleaveLow(a, b) } }
        case 0x63: { binary($0, $1) { (a: SignedWords, b: SignedWords) in packSigned(a, b) } }
        case 0x64: { binary($0, $1) { (a: SignedBytes, b: SignedBytes) in ones(a .> b) } }
        case 0x65: { binary($0, $1) { (a: SignedWords, b: SignedWords) in ones(a .> b) } }
        case 0x66: { binary($0, $1) { (a: SignedLongs, b: SignedLongs) in ones(a .> b) } }
        case 0x67: { binary($0, $1) { (a: SignedWords, b: SignedWords) in packUnsigned(a, b) } }
        case 0x68: { binary($0, $1) { (a: Bytes, b: Bytes) in interleaveHigh(a, b) } }
        case 0x69: { binary($0, $1) { (a: Words, b: Words) in interleaveHigh(a, b) } }
        case 0x6a: { binary($0, $1) { (a: Longs, b: Longs) in interleaveHigh(a, b) } }
        case 0x6b: { binary($0, $1) { (a: SignedLongs, b: SignedLongs) in packSigned(a, b) } }
        case 0x6c: lowToHigh
        case 0x6d: highs
        default: nil
        }
    }

    private static func integerD(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xd4: { binary($0, $1) { (a: Vector, b: Vector) in a &+ b } }
        case 0xd5: { binary($0, $1) { (a: Words, b: Words) in a &* b } }
        case 0xd8: { binary($0, $1) { (a: Bytes, b: Bytes) in subtractSaturating(a, b) } }
        case 0xd9: { binary($0, $1) { (a: Words, b: Words) in subtractSaturating(a, b) } }
        case 0xda: { binary($0, $1) { (a: Bytes, b: Bytes) in smaller(a, b) } }
        case 0xdb: and
        case 0xdc: { binary($0, $1) { (a: Bytes, b: Bytes) in addSaturating(a, b) } }
        case 0xdd: { binary($0, $1) { (a: Words, b: Words) in addSaturating(a, b) } }
        case 0xde: { binary($0, $1) { (a: Bytes, b: Bytes) in larger(a, b) } }
        case 0xdf: andNot
        default: nil
        }
    }

    private static func integerE(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xe0: { binary($0, $1) { (a: Bytes, b: Bytes) in average(a, b) } }
        case 0xe3: { binary($0, $1) { (a: Words, b: Words) in average(a, b) } }
        case 0xe4: { binary($0, $1) { (a: Words, b: Words) in highProduct(a, b) } }
        case 0xe5: { binary($0, $1) { (a: SignedWords, b: SignedWords) in highProduct(a, b) } }
        case 0xe8: { binary($0, $1) { (a: SignedBytes, b: SignedBytes) in subtractSaturating(a, b) } }
        case 0xe9: { binary($0, $1) { (a: SignedWords, b: SignedWords) in subtractSaturating(a, b) } }
        case 0xea: { binary($0, $1) { (a: SignedWords, b: SignedWords) in smaller(a, b) } }
        case 0xeb: or
        case 0xec: { binary($0, $1) { (a: SignedBytes, b: SignedBytes) in addSaturating(a, b) } }
        case 0xed: { binary($0, $1) { (a: SignedWords, b: SignedWords) in addSaturating(a, b) } }
        case 0xee: { binary($0, $1) { (a: SignedWords, b: SignedWords) in larger(a, b) } }
        case 0xef: exclusiveOr
        default: nil
        }
    }

    private static func integerF(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0xf4: { binary($0, $1) { (a: Vector, b: Vector) in evenProducts(a, b) } }
        case 0xf5: { binary($0, $1) { (a: SignedWords, b: SignedWords) in pairProducts(a, b) } }
        case 0xf6: { binary($0, $1) { (a: Bytes, b: Bytes) in differences(a, b) } }
        case 0xf8: { binary($0, $1) { (a: Bytes, b: Bytes) in a &- b } }
        case 0xf9: { binary($0, $1) { (a: Words, b: Words) in a &- b } }
        case 0xfa: { binary($0, $1) { (a: Longs, b: Longs) in a &- b } }
        case 0xfb: { binary($0, $1) { (a: Vector, b: Vector) in a &- b } }
        case 0xfc: { binary($0, $1) { (a: Bytes, b: Bytes) in a &+ b } }
        case 0xfd: { binary($0, $1) { (a: Words, b: Words) in a &+ b } }
        case 0xfe: { binary($0, $1) { (a: Longs, b: Longs) in a &+ b } }
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
