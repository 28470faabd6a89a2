// SPDX-License-Identifier: Apache-2.0

/// A two-way cache from linear address to decoded block, for jumps whose target is not known when
/// they are decoded. An entry holds under one ``ProcessorState/codeKey`` only.
@safe struct JumpCacheSet {
    let address: UInt

    static var count: Int { 4096 }
    static var stride: UInt { 64 }
    static var tableBytes: Int { count * Int(stride) }

    @inline(__always) init(table: UInt, linear: UInt64) {
        let hash = linear ^ linear >> 12
        address = table &+ UInt(truncatingIfNeeded: hash & 4095) &* Self.stride
    }

    /// Per way: linear address, key, address of the block's first operation, nothing.
    @inline(__always) private var words: UnsafeMutablePointer<UInt64> {
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: address).unsafelyUnwrapped
    }

    /// Address of the first operation of the block at `linear`, or 0 if it is not known.
    @inline(__always) func find(_ linear: UInt64, key: UInt64) -> UInt {
        if unsafe words[0] == linear && words[1] == key { return unsafe UInt(words[2]) }
        return findSecond(linear, key: key)
    }

    @inline(__always) private func findSecond(_ linear: UInt64, key: UInt64) -> UInt {
        unsafe words[4] == linear && words[5] == key ? UInt(words[6]) : 0
    }

    /// Puts a block first; the one that was first goes second.
    func insert(_ linear: UInt64, key: UInt64, block: UInt) {
        if unsafe words[0] != linear {
            for index in 0..<3 { unsafe words[4 &+ index] = words[index] }
        }
        unsafe words[0] = linear
        unsafe words[1] = key
        unsafe words[2] = UInt64(block)
    }
}
