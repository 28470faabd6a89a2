// SPDX-License-Identifier: Apache-2.0

/// A direct-mapped cache from linear address to decoded block, for jumps whose target is not
/// known when they are decoded. An entry holds under one ``ProcessorState/codeKey`` only.
@safe struct JumpCacheEntry {
    let address: UInt

    static var count: Int { 4096 }
    static var stride: UInt { 32 }
    static var tableBytes: Int { count * Int(stride) }

    @inline(__always) init(table: UInt, linear: UInt64) {
        let hash = linear ^ linear >> 12
        address = table &+ UInt(truncatingIfNeeded: hash & 4095) &* Self.stride
    }

    @inline(__always) private var words: UnsafeMutablePointer<UInt64> {
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: address).unsafelyUnwrapped
    }

    @inline(__always) func matches(_ linear: UInt64, key: UInt64) -> Bool {
        unsafe words[0] == linear && words[1] == key
    }
    /// Address of the block's first operation.
    @inline(__always) var block: UInt { unsafe UInt(words[2]) }

    func set(_ linear: UInt64, key: UInt64, block: UInt) {
        unsafe words[0] = linear
        unsafe words[1] = key
        unsafe words[2] = UInt64(block)
    }
}
