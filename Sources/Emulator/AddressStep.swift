// SPDX-License-Identifier: Apache-2.0

/// Computes addresses that are not plain 64-bit ones, in an operation before the one that uses them.
///
/// `extra`: the segment's number in bits 0 to 2; bit 3, the operand is written; above, its bytes.
/// Without bytes nothing is accessed, or nothing checked.
enum AddressStep {
    static func handler(size: Int, checked: Bool) -> Handler {
        if checked { return size == 1 ? checked16 : checked32 }
        return size == 1 ? plain16 : plain32
    }

    /// MOV with an absolute offset: the immediate is the address.
    static let absolute: Handler = { processor, operation in
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.set64(Register.address, UInt64(bitPattern: op.immediate))
        return cpu.goOn(behind: op)
    }

    private static let plain32: Handler = { compute($0, $1, mask: 0xffff_ffff) }
    private static let plain16: Handler = { compute($0, $1, mask: 0xffff) }

    /// Offset and segment base; linear addresses wrap at 4 GiB, as they do in all such modes. Of
    /// flat segments only what wraps is outside.
    @inline(__always)
    private static func compute(_ processor: UInt, _ operation: UInt, mask: UInt64) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let offset = cpu.offset(op) & mask
        if offset &+ UInt64(op.extra >> 4) > 0x1_0000_0000 { return refuse(cpu, op) }
        cpu.set64(Register.address, (offset &+ cpu.get64(op.segment)) & 0xffff_ffff)
        return op.next
    }

    @inline(never) private static func refuse(_ cpu: Processor, _ op: Op) -> UInt {
        cpu.raise(op, op.extra & 7 == 2 ? .stack : .generalProtection)
    }

    private static let checked32: Handler = { check($0, $1, mask: 0xffff_ffff) }
    private static let checked16: Handler = { check($0, $1, mask: 0xffff) }

    private static func check(_ processor: UInt, _ operation: UInt, mask: UInt64) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let address = cpu.legacyAddress(
            Int(op.extra & 7), cpu.offset(op) & mask, byteCount: Int(op.extra >> 4),
            write: op.extra & 8 != 0)
        guard let address else { return cpu.fault(op) }
        cpu.set64(Register.address, address)
        return op.next
    }
}

extension Processor {
    /// The offset of a memory operand, without its segment's base.
    @inline(__always) fileprivate func offset(_ op: Op) -> UInt64 {
        let index: UInt64 = get(op.index) &<< UInt64(op.scale & 3)
        return get64(op.base) &+ index &+ UInt64(bitPattern: Int64(op.displacement))
    }
}
