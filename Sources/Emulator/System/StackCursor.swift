// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// A stack being pushed to or popped from, whose pointer reaches RSP only when all went well.
///
/// Sizes are 1, 2, 3 for 2, 4, 8 bytes. Failures leave an exception pending: #SS with `errorCode`
/// for the segment's limit or an address that is not canonical, or what the access met.
struct StackCursor {
    /// SP, ESP or RSP as it would be now, within `mask`.
    private(set) var pointer: UInt64
    private let base: UInt64
    /// The width of the stack pointer: 64, 32 or 16 bits of ones.
    private let mask: UInt64
    private let segment: Segment
    /// Accessed as a supervisor whatever CPL is: the stack of an inner level.
    private let isSystem: Bool
    private let errorCode: UInt32

    private var is64: Bool { mask == .max }

    /// A stack of 64-bit code from `pointer` downwards.
    init(long pointer: UInt64, isSystem: Bool, errorCode: UInt32 = 0) {
        self.pointer = pointer
        base = 0
        mask = .max
        segment = Segment()
        self.isSystem = isSystem
        self.errorCode = errorCode
    }

    /// A stack in `segment` from `pointer` downwards.
    init(_ segment: Segment, pointer: UInt64, isSystem: Bool, errorCode: UInt32 = 0) {
        mask = segment.attributes & 0x4000 != 0 ? 0xffff_ffff : 0xffff
        self.pointer = pointer & mask
        base = segment.base & 0xffff_ffff
        self.segment = segment
        self.isSystem = isSystem
        self.errorCode = errorCode
    }

    /// The stack that the program is using.
    init(_ cpu: Processor) {
        if cpu.state.mode.is64 {
            self.init(long: cpu.rsp, isSystem: false)
        } else {
            self.init(cpu.state.segments[2], pointer: cpu.rsp, isSystem: false)
        }
    }

    mutating func push(_ value: UInt64, size: Int, _ cpu: Processor) -> Bool {
        let offset = (pointer &- (1 &<< UInt64(size))) & mask
        guard let linear = linear(offset, size: size, cpu) else { return false }
        let done =
            isSystem
            ? cpu.systemStore(linear, size: size, value)
            : cpu.programStore(linear, size: size, value)
        if done { pointer = offset }
        return done
    }

    mutating func pop(size: Int, _ cpu: Processor) -> UInt64? {
        guard let linear = linear(pointer, size: size, cpu) else { return nil }
        let value =
            isSystem ? cpu.systemLoad(linear, size: size) : cpu.programLoad(linear, size: size)
        guard let value else { return nil }
        pointer = (pointer &+ (1 &<< UInt64(size))) & mask
        return value
    }

    /// Drops `byteCount` bytes from the stack.
    mutating func skip(_ byteCount: UInt64) {
        pointer = (pointer &+ byteCount) & mask
    }

    /// Makes the pointer the program's; as many of its bits as the stack has.
    func commit(_ cpu: Processor) {
        switch mask {
        case .max: cpu.rsp = pointer
        case 0xffff_ffff: cpu.set(Register.rsp, UInt32(truncatingIfNeeded: pointer))
        default: cpu.set(Register.rsp, UInt16(truncatingIfNeeded: pointer))
        }
    }

    private func linear(_ offset: UInt64, size: Int, _ cpu: Processor) -> UInt64? {
        let last = offset &+ (1 &<< UInt64(size)) &- 1
        if is64 {
            if cpu.isCanonical(offset) && cpu.isCanonical(last) { return offset }
        } else {
            let limit = UInt64(segment.limit)
            let expandsDown = segment.attributes & 0x0c == 4
            if expandsDown ? offset > limit && last <= mask : last <= limit {
                return (base &+ offset) & 0xffff_ffff
            }
        }
        cpu.pend(.stack, errorCode: errorCode)
        return nil
    }
}
