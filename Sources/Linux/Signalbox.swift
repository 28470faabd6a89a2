// SPDX-License-Identifier: Apache-2.0
import CLinux

/// Flag bits that other threads raise for one thread, which takes them or sleeps until some come.
///
/// The bits lie wherever the owner wants them, so that they can share a page with what else the
/// thread looks at. futex(2).
@safe package struct Signalbox: @unchecked Sendable {
    private let word: UnsafeMutablePointer<UInt32>

    /// Set while the owner sleeps; never seen by it.
    private static var sleeping: UInt32 { 1 << 31 }

    /// Uses the four aligned bytes at `address`, which must be zero and outlive this value.
    package init(address: UInt) {
        unsafe word = UnsafeMutablePointer<UInt32>(bitPattern: address).unsafelyUnwrapped
    }

    /// Raises `bits` (of 0 to 30) and wakes the owner.
    package func raise(_ bits: UInt32) {
        let before = unsafe clinux_or32(word, bits)
        if before & Self.sleeping != 0 { unsafe clinux_futex_wake(word, 1) }
    }

    /// True if any bit is raised.
    @inline(__always) package var isRaised: Bool { unsafe clinux_load32(word) != 0 }

    /// Takes all bits.
    @inline(__always) package func take() -> UInt32 {
        guard isRaised else { return 0 }
        return unsafe clinux_exchange32(word, 0) & ~Self.sleeping
    }

    /// Sleeps until a bit is raised or ``Clock/monotonic`` reaches `deadline` (`.max`: never).
    package func wait(until deadline: UInt64) {
        guard unsafe clinux_cas32(word, 0, Self.sleeping) == 0 else { return }
        _ = unsafe clinux_futex_wait(word, Self.sleeping, deadline)
        _ = unsafe clinux_and32(word, ~Self.sleeping)
    }
}
