// SPDX-License-Identifier: Apache-2.0

/// The x87 unit: register stack, control, status, tags. Intel SDM 1, 8.1.
struct X87State {
    /// Physical registers R0 to R7 (the stack top is `top`).
    var registers = InlineArray<8, Extended>(repeating: Extended.zero)
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

/// Bits of the status word; the low six are also the masks of the control word. Intel SDM 1, 8.1.3.
enum X87Status {
    static var invalid: UInt16 { 1 }
    static var denormal: UInt16 { 2 }
    static var zeroDivide: UInt16 { 4 }
    static var overflow: UInt16 { 8 }
    static var underflow: UInt16 { 0x10 }
    static var precision: UInt16 { 0x20 }
    static var stackFault: UInt16 { 0x40 }
    /// An unmasked exception waits: ES, and B which mirrors it.
    static var waits: UInt16 { 0x8080 }
    static var c0: UInt16 { 0x100 }
    static var c1: UInt16 { 0x200 }
    static var c2: UInt16 { 0x400 }
    static var c3: UInt16 { 0x4000 }
    static var conditions: UInt16 { 0x4700 }
    /// The six exceptions.
    static var exceptions: UInt16 { 0x3f }
    /// Exceptions found before there is a result: unmasked, they leave the destination as it was.
    static var early: UInt16 { 7 }
}
