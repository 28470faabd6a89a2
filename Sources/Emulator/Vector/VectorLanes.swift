// SPDX-License-Identifier: Apache-2.0

/// Views of the 16 bytes of a vector register.
typealias Vector = SIMD2<UInt64>
typealias Bytes = SIMD16<UInt8>
typealias SignedBytes = SIMD16<Int8>
typealias Words = SIMD8<UInt16>
typealias SignedWords = SIMD8<Int16>
typealias Longs = SIMD4<UInt32>
typealias SignedLongs = SIMD4<Int32>
typealias SignedQuads = SIMD2<Int64>
typealias Singles = SIMD4<Float>
typealias Doubles = SIMD2<Double>

/// The vector instructions' handlers, one extension a family.
enum Vectors {
    /// The scratch register that holds an instruction's memory operand.
    static var memory: UInt8 { 16 }
    /// The scratch register that stands for an MMX instruction's destination.
    static var work: UInt8 { 17 }

    /// The same 16 bytes as other lanes.
    @inline(__always) static func cast<From: BitwiseCopyable, To: BitwiseCopyable>(
        _ value: From, _ type: To.Type = To.self
    ) -> To {
        unsafe unsafeBitCast(value, to: type)
    }

    /// All ones where the mask holds, zero elsewhere.
    @inline(__always) static func ones<Lanes: SIMD & BitwiseCopyable>(
        _ mask: SIMDMask<Lanes>
    ) -> Vector where Lanes.Scalar: FixedWidthInteger & SignedInteger {
        unsafe unsafeBitCast(mask, to: Vector.self)
    }

    // MARK: Forms of instructions

    /// destination := body(destination, source).
    @inline(__always) static func binary<In: BitwiseCopyable, Out: BitwiseCopyable>(
        _ processor: UInt, _ operation: UInt, _ body: (In, In) -> Out
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let result = body(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)))
        cpu.setVector(op.reg, cast(result))
        return cpu.goOn(behind: op)
    }

    /// As ``binary(_:_:_:)`` with the instruction's immediate byte.
    @inline(__always) static func binary<In: BitwiseCopyable, Out: BitwiseCopyable>(
        _ processor: UInt, _ operation: UInt, immediate body: (In, In, UInt8) -> Out
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let byte = UInt8(truncatingIfNeeded: op.immediate)
        let result = body(cast(cpu.vector(op.reg)), cast(cpu.vector(op.rm)), byte)
        cpu.setVector(op.reg, cast(result))
        return op.next
    }

    /// destination := body(source).
    @inline(__always) static func unary<In: BitwiseCopyable, Out: BitwiseCopyable>(
        _ processor: UInt, _ operation: UInt, _ body: (In) -> Out
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let result = body(cast(cpu.vector(op.rm)))
        cpu.setVector(op.reg, cast(result))
        return cpu.goOn(behind: op)
    }
}

extension Processor {
    /// Byte, word, … `index` of vector register `number`, straight from memory: `index` need not be
    /// known when this is compiled. Bits of `index` beyond the register are ignored.
    @inline(__always) func lane<T: FixedWidthInteger & BitwiseCopyable>(
        _ number: UInt8, _ index: Int, _ type: T.Type = T.self
    ) -> T {
        let size = T.bitWidth / 8
        let offset = UInt(bitPattern: index &* size) & 15
        return unsafe UnsafeRawPointer(
            bitPattern: vectorAddress(number) &+ offset
        ).unsafelyUnwrapped.load(as: type)
    }

    /// Writes one lane.
    @inline(__always) func setLane<T: FixedWidthInteger & BitwiseCopyable>(
        _ number: UInt8, _ index: Int, _ value: T
    ) {
        let size = T.bitWidth / 8
        let offset = UInt(bitPattern: index &* size) & 15
        unsafe UnsafeMutableRawPointer(
            bitPattern: vectorAddress(number) &+ offset
        ).unsafelyUnwrapped.storeBytes(of: value, as: T.self)
    }
}
