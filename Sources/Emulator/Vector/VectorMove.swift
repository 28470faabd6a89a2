// SPDX-License-Identifier: Apache-2.0

/// Loads, stores and moves. Intel SDM 2, MOVAPS to MOVUPS.
extension Vectors {
    // MARK: Memory operands into scratch

    /// 16 bytes at a 16-byte boundary, else #GP(0).
    static let load128: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let address = cpu.effectiveAddress(op)
        guard address & 15 == 0 else { return cpu.raise(op, .generalProtection) }
        guard let value = cpu.loadVector(address) else { return cpu.fault(op) }
        cpu.setVector(op.reg, value)
        return cpu.goOn(behind: op)
    }
    /// 16 bytes anywhere: MOVUPS, MOVUPD, MOVDQU, LDDQU, PCMPxSTRx.
    static let load128Anywhere: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        guard let value = cpu.loadVector(cpu.effectiveAddress(op)) else { return cpu.fault(op) }
        cpu.setVector(op.reg, value)
        return cpu.goOn(behind: op)
    }
    /// 8, 4, 2 or 1 bytes, zero-extended: MOVQ, MOVSD, MOVD, MOVSS and operands of others.
    static let load64: Handler = { load($0, $1, UInt64.self) }
    static let load32: Handler = { load($0, $1, UInt32.self) }
    static let load16: Handler = { load($0, $1, UInt16.self) }
    static let load8: Handler = { load($0, $1, UInt8.self) }

    @inline(__always) private static func load<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        guard let value = cpu.load(cpu.effectiveAddress(op), type) else { return cpu.fault(op) }
        cpu.setVector(op.reg, Vector(UInt64(truncatingIfNeeded: value), 0))
        return cpu.goOn(behind: op)
    }

    /// 8 bytes into the lower or upper half, the other kept: MOVLPS, MOVHPS.
    static let loadLow: Handler = { loadHalf($0, $1, 0) }
    static let loadHigh: Handler = { loadHalf($0, $1, 1) }

    @inline(__always) private static func loadHalf(
        _ processor: UInt, _ operation: UInt, _ half: Int
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        guard let value = cpu.load(cpu.effectiveAddress(op), UInt64.self) else {
            return cpu.fault(op)
        }
        cpu.setLane(op.reg, half, value)
        return op.next
    }

    // MARK: Stores

    static let store128: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        let address = cpu.effectiveAddress(op)
        guard address & 15 == 0 else { return cpu.raise(op, .generalProtection) }
        return cpu.storeVector(address, cpu.vector(op.reg)) ? cpu.goOn(behind: op) : cpu.fault(op)
    }
    static let store128Anywhere: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        return cpu.storeVector(cpu.effectiveAddress(op), cpu.vector(op.reg))
            ? cpu.goOn(behind: op) : cpu.fault(op)
    }
    /// The lane of the given width that the immediate selects.
    static let store64: Handler = { store($0, $1, UInt64.self) }
    static let store32: Handler = { store($0, $1, UInt32.self) }
    static let store16: Handler = { store($0, $1, UInt16.self) }
    static let store8: Handler = { store($0, $1, UInt8.self) }

    @inline(__always) private static func store<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let value: T = cpu.lane(op.reg, Int(truncatingIfNeeded: op.immediate))
        return cpu.store(cpu.effectiveAddress(op), value) ? cpu.goOn(behind: op) : cpu.fault(op)
    }

    /// MOVNTI: a general register.
    static let storeGeneral32: Handler = { storeGeneral($0, $1, UInt32.self) }
    static let storeGeneral64: Handler = { storeGeneral($0, $1, UInt64.self) }

    @inline(__always) private static func storeGeneral<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        return cpu.store(cpu.effectiveAddress(op), cpu.get(op.reg, type)) ? op.next : cpu.fault(op)
    }

    /// MASKMOVDQU, MASKMOVQ: the bytes of `reg` whose mask byte in `rm` is negative go to the operand,
    /// `immediate` bytes, all of which must be writable. `extra`: outside 64-bit code, the segment and
    /// one, which neither half may leave; the lower one was looked at before.
    static let storeMasked: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        return maskedStore(cpu, op) ? op.next : cpu.fault(op)
    }

    @inline(never) private static func maskedStore(_ cpu: Processor, _ op: Op) -> Bool {
        let address = cpu.effectiveAddress(op)
        let mask = signBits(cast(cpu.vector(op.rm), Bytes.self))
        if op.extra != 0 {
            let segment = Int(op.extra) - 1
            guard cpu.probeWrite(address, byteCount: 8),
                cpu.mayAccess(segment, at: address &+ 8, byteCount: 8, write: true)
            else { return false }
        }
        guard cpu.probeWrite(address, byteCount: Int(op.immediate)) else { return false }
        for index in 0..<16 where mask >> UInt32(index) & 1 != 0 {
            guard cpu.store(address &+ UInt64(index), cpu.lane(op.reg, index, UInt8.self)) else {
                return false
            }
        }
        return true
    }

    // MARK: Between registers

    static let move: Handler = { unary($0, $1) { (a: Vector) in a } }
    /// MOVQ: the upper half becomes zero.
    static let moveLow64: Handler = { unary($0, $1) { (a: Vector) in Vector(a[0], 0) } }
    /// MOVSD, MOVSS: the rest is kept.
    static let mergeLow64: Handler = {
        binary($0, $1) { (a: Vector, b: Vector) in Vector(b[0], a[1]) }
    }
    static let mergeLow32: Handler = {
        binary($0, $1) { (a: Longs, b: Longs) in Longs(b[0], a[1], a[2], a[3]) }
    }
    /// MOVHLPS, MOVLHPS.
    static let highToLow: Handler = {
        binary($0, $1) { (a: Vector, b: Vector) in Vector(b[1], a[1]) }
    }
    static let lowToHigh: Handler = {
        binary($0, $1) { (a: Vector, b: Vector) in Vector(a[0], b[0]) }
    }
    /// PUNPCKHQDQ, UNPCKHPD.
    static let highs: Handler = {
        binary($0, $1) { (a: Vector, b: Vector) in Vector(a[1], b[1]) }
    }
    /// MOVDDUP, MOVSLDUP, MOVSHDUP.
    static let duplicateLow: Handler = { unary($0, $1) { (a: Vector) in Vector(a[0], a[0]) } }
    static let duplicateEven: Handler = {
        unary($0, $1) { (a: Longs) in Longs(a[0], a[0], a[2], a[2]) }
    }
    static let duplicateOdd: Handler = {
        unary($0, $1) { (a: Longs) in Longs(a[1], a[1], a[3], a[3]) }
    }

    // MARK: General registers

    /// MOVD, MOVQ from a general register.
    static let fromGeneral32: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, Vector(UInt64(cpu.get(op.rm, UInt32.self)), 0))
        return op.next
    }
    static let fromGeneral64: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setVector(op.reg, Vector(cpu.get64(op.rm), 0))
        return op.next
    }
    /// The lane of vector `reg` that the immediate selects, zero-extended, to general register `rm`:
    /// MOVD, MOVQ, PEXTRx, EXTRACTPS.
    static let toGeneral64: Handler = { extract($0, $1, UInt64.self) }
    static let toGeneral32: Handler = { extract($0, $1, UInt32.self) }
    static let toGeneral16: Handler = { extract($0, $1, UInt16.self) }
    static let toGeneral8: Handler = { extract($0, $1, UInt8.self) }

    @inline(__always) private static func extract<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let value: T = cpu.lane(op.reg, Int(truncatingIfNeeded: op.immediate))
        cpu.set64(op.rm, UInt64(truncatingIfNeeded: value))
        return op.next
    }

    /// PINSRx: general register `rm` into the lane of `reg` that the immediate selects.
    static let insertGeneral64: Handler = { insert($0, $1, UInt64.self) }
    static let insertGeneral32: Handler = { insert($0, $1, UInt32.self) }
    static let insertGeneral16: Handler = { insert($0, $1, UInt16.self) }
    static let insertGeneral8: Handler = { insert($0, $1, UInt8.self) }

    @inline(__always) private static func insert<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.setLane(op.reg, Int(truncatingIfNeeded: op.immediate), cpu.get(op.rm, type))
        return op.next
    }

    /// PINSRx from memory.
    static let insertMemory64: Handler = { insertMemory($0, $1, UInt64.self) }
    static let insertMemory32: Handler = { insertMemory($0, $1, UInt32.self) }
    static let insertMemory16: Handler = { insertMemory($0, $1, UInt16.self) }
    static let insertMemory8: Handler = { insertMemory($0, $1, UInt8.self) }

    @inline(__always) private static func insertMemory<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        guard let value = cpu.load(cpu.effectiveAddress(op), type) else { return cpu.fault(op) }
        cpu.setLane(op.reg, Int(truncatingIfNeeded: op.immediate), value)
        return op.next
    }

    // MARK: Sign bits

    /// PMOVMSKB, MOVMSKPS, MOVMSKPD: general register `reg` := sign bits of vector `rm`.
    static let byteSigns: Handler = {
        signs($0, $1) { signBits(cast($0, Bytes.self)) }
    }
    static let singleSigns: Handler = {
        signs($0, $1) { value in
            let a = cast(value, Longs.self)
            return a[0] >> 31 | (a[1] >> 31) << 1 | (a[2] >> 31) << 2 | (a[3] >> 31) << 3
        }
    }
    static let doubleSigns: Handler = {
        signs($0, $1) { UInt32(truncatingIfNeeded: $0[0] >> 63 | ($0[1] >> 63) << 1) }
    }

    @inline(__always) private static func signs(
        _ processor: UInt, _ operation: UInt, _ body: (Vector) -> UInt32
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.set64(op.reg, UInt64(body(cpu.vector(op.rm))))
        return op.next
    }

    /// Bit i: the sign of byte i.
    @inline(__always) static func signBits(_ value: Bytes) -> UInt32 {
        // Each multiplication gathers the eight top bits of a half in its top byte.
        let halves = cast(value, Vector.self) & Vector(repeating: 0x8080_8080_8080_8080)
        let low = ((halves[0] >> 7) &* 0x0102_0408_1020_4080) >> 56
        let high = ((halves[1] >> 7) &* 0x0102_0408_1020_4080) >> 56
        return UInt32(truncatingIfNeeded: low | high << 8)
    }
}
