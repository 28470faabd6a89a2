// SPDX-License-Identifier: Apache-2.0

/// A direct-mapped cache of page translations: linear page → host page.
///
/// Each entry is 32 bytes: the linear page for which reads hit, the one for which writes hit (all
/// ones: none), what to add to a linear address to get the host's, and the guest-physical page.
/// A hit needs the access's last byte in the tagged page, so that accesses across a page boundary
/// miss by themselves.
@safe struct TranslationEntry {
    let address: UInt

    static var count: Int { 512 }
    static var stride: UInt { 32 }
    static var tableBytes: Int { count * Int(stride) }
    static var invalid: UInt64 { .max }

    @inline(__always) init(table: UInt, linear: UInt64) {
        address = table &+ UInt(truncatingIfNeeded: (linear >> 12) & 511) &* Self.stride
    }

    @inline(__always) private var words: UnsafeMutablePointer<UInt64> {
        unsafe UnsafeMutablePointer<UInt64>(bitPattern: address).unsafelyUnwrapped
    }

    var readTag: UInt64 {
        @inline(__always) get { unsafe words[0] }
        @inline(__always) nonmutating set { unsafe words[0] = newValue }
    }
    var writeTag: UInt64 {
        @inline(__always) get { unsafe words[1] }
        @inline(__always) nonmutating set { unsafe words[1] = newValue }
    }
    var addend: UInt64 {
        @inline(__always) get { unsafe words[2] }
        @inline(__always) nonmutating set { unsafe words[2] = newValue }
    }
    /// Guest-physical address of the page; bit 0: the translation is global; bit 1: it is a piece of
    /// a larger page.
    var physical: UInt64 {
        @inline(__always) get { unsafe words[3] }
        @inline(__always) nonmutating set { unsafe words[3] = newValue }
    }

    /// Empties a table.
    static func clear(table: UInt) {
        let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: table).unsafelyUnwrapped
        for index in 0..<count {
            unsafe words[index &* 4] = invalid
            unsafe words[index &* 4 &+ 1] = invalid
        }
    }

    /// Drops the translation of one page, and all pieces of larger pages near it: INVLPG of any
    /// address in a large page forgets all of that page.
    static func drop(table: UInt, linear: UInt64) {
        let entry = TranslationEntry(table: table, linear: linear)
        entry.readTag = invalid
        entry.writeTag = invalid
        let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: table).unsafelyUnwrapped
        for index in 0..<count {
            let place = index &* 4
            guard unsafe words[place &+ 3] & 2 != 0,
                unsafe (words[place] ^ linear) >> 30 == 0
            else { continue }
            unsafe words[place] = invalid
            unsafe words[place &+ 1] = invalid
        }
    }

    /// Drops all translations but global ones.
    static func clearLocal(table: UInt) {
        let words = unsafe UnsafeMutablePointer<UInt64>(bitPattern: table).unsafelyUnwrapped
        for index in 0..<count where unsafe words[index &* 4 &+ 3] & 1 == 0 {
            unsafe words[index &* 4] = invalid
            unsafe words[index &* 4 &+ 1] = invalid
        }
    }
}

/// A host address that a translation has led to.
@safe struct HostAddress {
    let rawValue: UInt

    @inline(__always) init(_ linear: UInt64, addend: UInt64) {
        rawValue = UInt(truncatingIfNeeded: linear &+ addend)
    }
    @inline(__always) init(_ rawValue: UInt) { self.rawValue = rawValue }

    @inline(__always) var pointer: UnsafeMutableRawPointer {
        unsafe UnsafeMutableRawPointer(bitPattern: rawValue).unsafelyUnwrapped
    }
    @inline(__always) func load<T: BitwiseCopyable>(_ type: T.Type) -> T {
        unsafe pointer.loadUnaligned(as: type)
    }
    @inline(__always) func store<T: BitwiseCopyable>(_ value: T) {
        unsafe pointer.storeBytes(of: value, as: T.self)
    }
}
