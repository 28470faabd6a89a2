// SPDX-License-Identifier: Apache-2.0

/// POPCNT and CRC32: SSE4.2's instructions on general registers. A memory operand has been loaded
/// into the scratch vector.
extension Vectors {
    // MARK: POPCNT

    static func populationCount(size: Int, memory: Bool) -> Handler {
        switch (size, memory) {
        case (1, false): { Vectors.count($0, $1, UInt16.self) { $0.get($1.rm) } }
        case (2, false): { Vectors.count($0, $1, UInt32.self) { $0.get($1.rm) } }
        case (1, true): { Vectors.count($0, $1, UInt16.self) { $0.lane($1.rm, 0) } }
        case (2, true): { Vectors.count($0, $1, UInt32.self) { $0.lane($1.rm, 0) } }
        case (_, true): { Vectors.count($0, $1, UInt64.self) { $0.lane($1.rm, 0) } }
        default: { Vectors.count($0, $1, UInt64.self) { $0.get($1.rm) } }
        }
    }

    @inline(__always) private static func count<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type, _ source: (Processor, Op) -> T
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let value = source(cpu, op)
        cpu.set(op.reg, T(truncatingIfNeeded: value.nonzeroBitCount))
        cpu.flags = Flags(carry: false, zero: value == 0)
        return op.next
    }

    // MARK: CRC32

    /// Handlers by the size of the source, 0 to 3.
    static func checksum(size: Int, memory: Bool) -> Handler {
        switch (size, memory) {
        case (0, false): { Vectors.sum($0, $1, UInt8.self) { $0.get($1.rm) } }
        case (1, false): { Vectors.sum($0, $1, UInt16.self) { $0.get($1.rm) } }
        case (2, false): { Vectors.sum($0, $1, UInt32.self) { $0.get($1.rm) } }
        case (0, true): { Vectors.sum($0, $1, UInt8.self) { $0.lane($1.rm, 0) } }
        case (1, true): { Vectors.sum($0, $1, UInt16.self) { $0.lane($1.rm, 0) } }
        case (2, true): { Vectors.sum($0, $1, UInt32.self) { $0.lane($1.rm, 0) } }
        case (_, true): { Vectors.sum($0, $1, UInt64.self) { $0.lane($1.rm, 0) } }
        default: { Vectors.sum($0, $1, UInt64.self) { $0.get($1.rm) } }
        }
    }

    @inline(__always) private static func sum<T: Word>(
        _ processor: UInt, _ operation: UInt, _ type: T.Type, _ source: (Processor, Op) -> T
    ) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        var rest = UInt64(truncatingIfNeeded: source(cpu, op))
        var crc: UInt32 = cpu.get(op.reg)
        for _ in 0..<T.byteCount {
            crc ^= UInt32(truncatingIfNeeded: rest & 0xff)
            for _ in 0..<2 { crc = crc >> 4 ^ nibbleRemainder(crc & 15) }
            rest >>= 8
        }
        cpu.set64(op.reg, UInt64(crc))
        return op.next
    }

    /// Remainder of four bits by the Castagnoli polynomial, bits reflected (0x82f6_3b78).
    @inline(__always) private static func nibbleRemainder(_ nibble: UInt32) -> UInt32 {
        var value: UInt32 = 0
        value ^= 0x82f6_3b78 & (0 &- (nibble >> 3 & 1))
        value ^= 0x417b_1dbc & (0 &- (nibble >> 2 & 1))
        value ^= 0x20bd_8ede & (0 &- (nibble >> 1 & 1))
        value ^= 0x105e_c76f & (0 &- (nibble & 1))
        return value
    }
}
