// SPDX-License-Identifier: Apache-2.0

#if arch(x86_64)
    /// The host has 80-bit precision.
    typealias X87Real = Float80
#else
    /// The host has no 80-bit precision: results are rounded to 64 bits.
    typealias X87Real = Double
#endif

/// The x87 unit: register stack, control, status, tags. Intel SDM 1, 8.1.
struct X87State {
    /// Physical registers R0 to R7 (the stack top is `top`).
    var registers = InlineArray<8, X87Real>(repeating: 0)
    /// Bit i: register Ri is empty.
    var empty: UInt8 = 0xff
    /// Stack top, 0 to 7.
    var top: UInt8 = 0
    var control: UInt16 = 0x037f
    /// Status word without TOP.
    var status: UInt16 = 0
    var lastOpcode: UInt16 = 0
    var lastInstruction: UInt64 = 0
    var lastData: UInt64 = 0
    init() {}
}
