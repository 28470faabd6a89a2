// SPDX-License-Identifier: Apache-2.0
import Hypervisor

/// What segments allow outside 64-bit code: limits, and in protected mode rights.
/// AMD APM 2, 4.7 and 4.12; Intel SDM 3, 5.3 to 5.5.
extension Processor {
    /// True if a program may access `byteCount` bytes from `offset` on of segment `number`, none of
    /// them if that is 0; else #SS or #GP is pending.
    @inline(never) func mayAccess(
        _ number: Int, _ offset: UInt64, byteCount: UInt64, write: Bool
    ) -> Bool {
        let segment = state.segments[number]
        let isProtected = state.mode.has(CodeMode.protected)
        if byteCount == 0
            || segment.contains(offset, byteCount)
                && (!isProtected || segment.allows(write: write))
        {
            return true
        }
        pend(number == 2 ? .stack : .generalProtection)
        return false
    }

    /// As ``mayAccess(_:_:byteCount:write:)`` for an operand, or a part of one, whose linear address
    /// is known.
    @inline(never) func mayAccess(
        _ number: Int, at address: UInt64, byteCount: UInt64, write: Bool
    ) -> Bool {
        let offset = (address &- get64(Register.base(of: number))) & 0xffff_ffff
        return mayAccess(number, offset, byteCount: byteCount, write: write)
    }

    /// The linear address of a program's operand in segment `number`, whose base slot it has; nil:
    /// an exception is pending. Wraps at 4 GiB, as it does wherever segments have limits.
    @inline(never) func legacyAddress(
        _ number: Int, _ offset: UInt64, byteCount: Int, write: Bool
    ) -> UInt64? {
        guard mayAccess(number, offset, byteCount: UInt64(byteCount), write: write) else {
            return nil
        }
        return (offset &+ get64(Register.base(of: number))) & 0xffff_ffff
    }
}

extension Segment {
    /// An operand that wraps at 4 GiB is outside, as AMD's processors have it.
    fileprivate func contains(_ offset: UInt64, _ byteCount: UInt64) -> Bool {
        let last = offset &+ byteCount &- 1
        let limit = UInt64(limit)
        guard attributes & 0x1c == 0x14 else { return last <= limit }
        // It expands down.
        return offset > limit && last <= (attributes & 0x4000 != 0 ? 0xffff_ffff : 0xffff)
    }

    /// Present, and data that may be written, or what may be read.
    fileprivate func allows(write: Bool) -> Bool {
        guard attributes & 0x80 != 0 else { return false }
        let isCode = attributes & 8 != 0
        let bit = attributes & 2 != 0
        return write ? bit && !isCode : bit || !isCode
    }

    /// Nothing that mayAccess asks is ever refused, but that an operand wraps, or writes to code.
    var isUnlimited: Bool {
        attributes & 0x90 == 0x90 && limit == 0xffff_ffff
            && (attributes & 8 != 0 ? attributes & 2 != 0 : attributes & 6 == 2)
    }
}
