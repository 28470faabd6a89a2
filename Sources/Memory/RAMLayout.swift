// SPDX-License-Identifier: Apache-2.0

/// Where in this process the RAM lies that is there from the start: a plain value, for code that
/// asks often and must not count references.
package struct RAMLayout: BitwiseCopyable, Sendable {
    /// Host address of the first byte.
    package let host: UInt
    /// Bytes from address 0 up.
    package let lowCount: UInt64
    /// Bytes from ``GuestMemory/highBase`` up.
    package let highCount: UInt64

    /// No RAM.
    package init() { self.init(host: 0, lowCount: 0, highCount: 0) }

    init(host: UInt, lowCount: UInt64, highCount: UInt64) {
        self.host = host
        self.lowCount = lowCount
        self.highCount = highCount
    }

    /// Host address of `count` bytes at guest-physical `start`, if they are all in one region.
    @inline(__always)
    package func hostAddress(of start: UInt64, count: UInt64) -> UInt? {
        if start < lowCount {
            return count <= lowCount &- start ? host &+ UInt(start) : nil
        }
        let offset = start &- GuestMemory.highBase
        guard start >= GuestMemory.highBase, offset < highCount, count <= highCount &- offset
        else { return nil }
        return host &+ UInt(lowCount &+ offset)
    }
}
