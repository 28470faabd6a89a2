// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// Computes addresses that are not plain 64-bit ones, in an operation before the one that uses them.
enum AddressStep {
    static func handler(size: Int, checked: Bool) -> Handler {
        if checked { return size == 1 ? checked16 : checked32 }
        return size == 1 ? plain16 : plain32
    }

    /// MOV with an absolute offset: the immediate is the address.
    static let absolute: Handler = { processor, operation in
        let op = Op(operation)
        Processor(processor).set64(Register.address, UInt64(bitPattern: op.immediate))
        return op.next
    }

    private static let plain32: Handler = { compute($0, $1, mask: 0xffff_ffff) }
    private static let plain16: Handler = { compute($0, $1, mask: 0xffff) }

    /// Offset and segment base; linear addresses wrap at 4 GiB, as they do in all such modes.
    @inline(__always)
    private static func compute(_ processor: UInt, _ operation: UInt, mask: UInt64) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        cpu.set64(
            Register.address, (cpu.offset(op) & mask &+ cpu.get64(op.segment)) & 0xffff_ffff)
        return op.next
    }

    private static let checked32: Handler = { check($0, $1, mask: 0xffff_ffff) }
    private static let checked16: Handler = { check($0, $1, mask: 0xffff) }

    /// Segment limits, of the operand's first byte and its last. `extra`: the segment's number in
    /// bits 0 to 3, the operand's bytes above; none: it is not accessed.
    private static func check(_ processor: UInt, _ operation: UInt, mask: UInt64) -> UInt {
        let cpu = Processor(processor)
        let op = Op(operation)
        let offset = cpu.offset(op) & mask
        let number = Int(op.extra & 15)
        let byteCount = UInt64(op.extra >> 4)
        let segment = cpu.state.segments[number]
        let expandsDown = segment.attributes & 0x1c == 0x14
        let top: UInt64 = segment.attributes & 0x4000 != 0 ? 0xffff_ffff : 0xffff
        let limit = UInt64(segment.limit)
        // An operand that wraps at 4 GiB is inside a segment of 4 GiB.
        let last = limit == 0xffff_ffff ? offset : offset &+ max(byteCount, 1) &- 1
        let inside = expandsDown ? offset > limit && last <= top : last <= limit
        let usable = segment.attributes & 0x80 != 0 || !cpu.state.mode.has(CodeMode.protected)
        guard byteCount == 0 || inside && usable else {
            return cpu.raise(op, number == 2 ? .stack : .generalProtection)
        }
        cpu.set64(Register.address, (offset &+ cpu.get64(op.segment)) & 0xffff_ffff)
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
