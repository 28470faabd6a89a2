// SPDX-License-Identifier: Apache-2.0

/// Integer instructions of SSSE3 and SSE4 in the 66 0F38 map.
extension Vectors {
    /// SSSE3: 66 0F38 00…0B and 1C…1E, whose MMX forms run on the same handlers (save PSHUFB's).
    static func supplemental(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x00: shuffleBytes
        case 0x01:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.pairs(a, b) { $0 &+ $1 }
                }
            }
        case 0x02:
            { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.pairs(a, b) { $0 &+ $1 } } }
        case 0x03:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.pairs(a, b) { Vectors.addSaturating($0, $1) }
                }
            }
        case 0x04: { Vectors.binary($0, $1) { (a: Bytes, b: Bytes) in Vectors.pairProducts(a, b) } }
        case 0x05:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.pairs(a, b) { $0 &- $1 }
                }
            }
        case 0x06:
            { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.pairs(a, b) { $0 &- $1 } } }
        case 0x07:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.pairs(a, b) { Vectors.subtractSaturating($0, $1) }
                }
            }
        case 0x08:
            {
                Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in
                    Vectors.withSign(a, of: b)
                }
            }
        case 0x09:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.withSign(a, of: b)
                }
            }
        case 0x0a:
            {
                Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in
                    Vectors.withSign(a, of: b)
                }
            }
        case 0x0b:
            {
                Vectors.binary($0, $1) { (a: SignedWords, b: SignedWords) in
                    Vectors.roundedProduct(a, b)
                }
            }
        case 0x1c: { Vectors.unary($0, $1) { (a: SignedBytes) in Vectors.magnitude(a) } }
        case 0x1d: { Vectors.unary($0, $1) { (a: SignedWords) in Vectors.magnitude(a) } }
        case 0x1e: { Vectors.unary($0, $1) { (a: SignedLongs) in Vectors.magnitude(a) } }
        default: nil
        }
    }

    /// SSE4: 66 0F38 28…41 with 16-byte sources.
    static func sse4(_ opcode: UInt8) -> Handler? {
        switch opcode {
        case 0x10: blendBytesByMask
        case 0x14: blendSinglesByMask
        case 0x15: blendDoublesByMask
        case 0x17: test
        case 0x28:
            {
                Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in
                    Vectors.evenSignedProducts(a, b)
                }
            }
        case 0x29: { Vectors.binary($0, $1) { (a: Vector, b: Vector) in Vectors.ones(a .== b) } }
        case 0x2b:
            {
                Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in
                    Vectors.packUnsigned(a, b)
                }
            }
        case 0x37:
            { Vectors.binary($0, $1) { (a: SignedQuads, b: SignedQuads) in Vectors.ones(a .> b) } }
        case 0x38:
            { Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in Vectors.smaller(a, b) } }
        case 0x39:
            { Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in Vectors.smaller(a, b) } }
        case 0x3a: { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.smaller(a, b) } }
        case 0x3b: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.smaller(a, b) } }
        case 0x3c:
            { Vectors.binary($0, $1) { (a: SignedBytes, b: SignedBytes) in Vectors.larger(a, b) } }
        case 0x3d:
            { Vectors.binary($0, $1) { (a: SignedLongs, b: SignedLongs) in Vectors.larger(a, b) } }
        case 0x3e: { Vectors.binary($0, $1) { (a: Words, b: Words) in Vectors.larger(a, b) } }
        case 0x3f: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in Vectors.larger(a, b) } }
        case 0x40: { Vectors.binary($0, $1) { (a: Longs, b: Longs) in a &* b } }
        case 0x41: smallestWord
        default: nil
        }
    }

    /// PMOVSX (20…25), PMOVZX (30…35) and the bytes they read.
    static func widening(_ opcode: UInt8) -> (handler: Handler, bytes: Int)? {
        switch opcode {
        case 0x20:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedBytes) in
                        SignedWords(truncatingIfNeeded: a.lowHalf)
                    }
                }, 8
            )
        case 0x21:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedBytes) in
                        SignedLongs(truncatingIfNeeded: a.lowHalf.lowHalf)
                    }
                }, 4
            )
        case 0x22:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedBytes) in
                        SignedQuads(truncatingIfNeeded: a.lowHalf.lowHalf.lowHalf)
                    }
                }, 2
            )
        case 0x23:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedWords) in
                        SignedLongs(truncatingIfNeeded: a.lowHalf)
                    }
                }, 8
            )
        case 0x24:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedWords) in
                        SignedQuads(truncatingIfNeeded: a.lowHalf.lowHalf)
                    }
                }, 4
            )
        case 0x25:
            (
                {
                    Vectors.unary($0, $1) { (a: SignedLongs) in
                        SignedQuads(truncatingIfNeeded: a.lowHalf)
                    }
                }, 8
            )
        case 0x30:
            ({ Vectors.unary($0, $1) { (a: Bytes) in Words(truncatingIfNeeded: a.lowHalf) } }, 8)
        case 0x31:
            (
                {
                    Vectors.unary($0, $1) { (a: Bytes) in
                        Longs(truncatingIfNeeded: a.lowHalf.lowHalf)
                    }
                }, 4
            )
        case 0x32:
            (
                {
                    Vectors.unary($0, $1) { (a: Bytes) in
                        Vector(truncatingIfNeeded: a.lowHalf.lowHalf.lowHalf)
                    }
                }, 2
            )
        case 0x33:
            ({ Vectors.unary($0, $1) { (a: Words) in Longs(truncatingIfNeeded: a.lowHalf) } }, 8)
        case 0x34:
            (
                {
                    Vectors.unary($0, $1) { (a: Words) in
                        Vector(truncatingIfNeeded: a.lowHalf.lowHalf)
                    }
                }, 4
            )
        case 0x35:
            ({ Vectors.unary($0, $1) { (a: Longs) in Vector(truncatingIfNeeded: a.lowHalf) } }, 8)
        default: nil
        }
    }

    /// PSIGN: `a`, negated where `b` is negative, zero where it is zero.
    @inline(__always) private static func withSign(_ a: SignedBytes, of b: SignedBytes)
        -> SignedBytes
    {
        a.replacing(with: .zero &- a, where: b .< .zero).replacing(with: 0, where: b .== .zero)
    }
    @inline(__always) private static func withSign(_ a: SignedWords, of b: SignedWords)
        -> SignedWords
    {
        a.replacing(with: .zero &- a, where: b .< .zero).replacing(with: 0, where: b .== .zero)
    }
    @inline(__always) private static func withSign(_ a: SignedLongs, of b: SignedLongs)
        -> SignedLongs
    {
        a.replacing(with: .zero &- a, where: b .< .zero).replacing(with: 0, where: b .== .zero)
    }

    /// PABS; the least value stays as it is.
    @inline(__always) private static func magnitude(_ a: SignedBytes) -> SignedBytes {
        a.replacing(with: .zero &- a, where: a .< .zero)
    }
    @inline(__always) private static func magnitude(_ a: SignedWords) -> SignedWords {
        a.replacing(with: .zero &- a, where: a .< .zero)
    }
    @inline(__always) private static func magnitude(_ a: SignedLongs) -> SignedLongs {
        a.replacing(with: .zero &- a, where: a .< .zero)
    }

    /// PTEST: ZF if no bit of the source is set in the destination, CF if all are; the rest clear.
    static let test: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let a = cpu.vector(op.reg)
        let b = cpu.vector(op.rm)
        let common = a & b
        let rest = ~a & b
        cpu.flags = Flags(carry: rest[0] | rest[1] == 0, zero: common[0] | common[1] == 0)
        return op.next
    }
}

extension Flags {
    /// CF and ZF as given, the others clear, but PF where `parity` says so.
    @inline(__always) init(carry: Bool, zero: Bool, parity: Bool = false) {
        self.init()
        // A result of 0 has even parity, one of 1 odd: the repair bit is set where that is wrong.
        result = zero ? 0 : 1
        carries = (carry ? 0xc000_0000_0000_0000 : 0) | (parity != zero ? 0x100 : 0)
    }
}
