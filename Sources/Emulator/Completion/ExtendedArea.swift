// SPDX-License-Identifier: Apache-2.0

/// A processor's extended state as an XSAVE area in the standard form, most of it opaque.
struct ExtendedArea {
    static var x87: UInt64 { 1 }
    static var sse: UInt64 { 2 }
    static var avx: UInt64 { 4 }
    static var legacyBytes: Int { 512 }
    static var controlOffset: Int { 24 }
    static var initialControl: UInt32 { 0x1f80 }

    /// At least ``ExtendedStateLayout/headerEnd`` bytes.
    private(set) var bytes = [UInt8](repeating: 0, count: ExtendedStateLayout.headerEnd)

    init() {}

    /// Takes an image over, which is made longer where it is too short.
    init(_ image: [UInt8]) {
        bytes = image
        grow(to: ExtendedStateLayout.headerEnd)
    }

    private mutating func grow(to count: Int) {
        guard bytes.count < count else { return }
        bytes += [UInt8](repeating: 0, count: count - bytes.count)
    }

    /// XINUSE: components that are not in their initial state.
    var inUse: UInt64 {
        get { word(Self.legacyBytes) }
        set { put(Self.legacyBytes, newValue) }
    }

    var control: UInt32 {
        get { UInt32(truncatingIfNeeded: word(Self.controlOffset)) }
        set { put(Self.controlOffset, UInt64(newValue) | 0xffff << 32) }
    }

    func word(_ offset: Int) -> UInt64 {
        guard offset >= 0, offset + 8 <= bytes.count else { return 0 }
        var value: UInt64 = 0
        for index in 0..<8 { value |= UInt64(bytes[offset + index]) << UInt64(index * 8) }
        return value
    }

    mutating func put(_ offset: Int, _ value: UInt64) {
        grow(to: offset + 8)
        for index in 0..<8 {
            bytes[offset + index] = UInt8(truncatingIfNeeded: value >> UInt64(index * 8))
        }
    }

    /// Puts the x87 part, or the registers XMM0 to XMM15, into its initial state.
    mutating func clear(_ component: UInt64) {
        if component == Self.x87 {
            for place in stride(from: 0, to: 160, by: 8) where place != Self.controlOffset {
                put(place, place == 0 ? 0x037f : 0)
            }
        } else {
            for place in stride(from: 160, to: 416, by: 8) { put(place, 0) }
        }
    }

    /// The words of one part of the legacy area, MXCSR's apart.
    static func places(_ component: UInt64) -> [Int] {
        component == x87
            ? stride(from: 0, to: 160, by: 8).filter { $0 != controlOffset }
            : Array(stride(from: 160, to: 416, by: 8))
    }
}
