// SPDX-License-Identifier: Apache-2.0

/// A user program's state and what to do around its run, laid out as `cjudge_state`.
struct JudgedState: BitwiseCopyable {
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    var general = InlineArray<16, UInt64>(repeating: 0)
    var rip: UInt64 = 0
    var rflags: UInt64 = 2
    var fsBase: UInt64 = 0
    var gsBase: UInt64 = 0
    var cr2: UInt64 = 0
    /// The exception that ended it; see ``Ending``.
    var vector: UInt32 = 0xff
    var errorCode: UInt32 = 0
    /// 1: 32-bit code.
    var mode: UInt64 = 0
    /// Where 16 bytes are put before, or 0.
    var poke: UInt64 = 0
    var poked = InlineArray<2, UInt64>(repeating: 0)
    /// Bytes that are cleared afterwards, as processors may differ in them.
    var scrub: UInt64 = 0
    var scrubCount: UInt64 = 0
    private var spare = InlineArray<4, UInt64>(repeating: 0)
    /// FXSAVE's image, in words of 8 bytes.
    var image = InlineArray<64, UInt64>(repeating: 0)

    /// Endings beside exceptions, as values of ``vector``.
    enum Ending {
        static var none: UInt32 { 0xff }
        static var endless: UInt32 { 0xfe }
        static var systemCall: UInt32 { 0xfd }
        /// The emulator came round again and again and executed nothing.
        static var stuck: UInt32 { 0xfc }
        /// The emulator's control state is not what the judge made it: no program can change that.
        static var escaped: UInt32 { 0xfb }
    }

    var is32: Bool { mode != 0 }

    // MARK: FXSAVE's image. Intel SDM 1, 10.5.1

    var controlWord: UInt16 {
        get { UInt16(truncatingIfNeeded: image[0]) }
        set { image[0] = image[0] & ~0xffff | UInt64(newValue) }
    }
    var statusWord: UInt16 {
        get { UInt16(truncatingIfNeeded: image[0] >> 16) }
        set { image[0] = image[0] & ~0xffff_0000 | UInt64(newValue) << 16 }
    }
    /// Bit i: physical register i is in use.
    var tags: UInt8 {
        get { UInt8(truncatingIfNeeded: image[0] >> 32) }
        set { image[0] = image[0] & ~0xff_0000_0000 | UInt64(newValue) << 32 }
    }
    var mxcsr: UInt32 {
        get { UInt32(truncatingIfNeeded: image[3]) }
        set { image[3] = image[3] & ~0xffff_ffff | UInt64(newValue) }
    }
    /// ST(`index`).
    func stack(_ index: Int) -> (significand: UInt64, signAndExponent: UInt16) {
        (image[4 + 2 * index], UInt16(truncatingIfNeeded: image[5 + 2 * index]))
    }
    mutating func setStack(_ index: Int, significand: UInt64, signAndExponent: UInt16) {
        image[4 + 2 * index] = significand
        image[5 + 2 * index] = UInt64(signAndExponent)
    }
    func vector(_ number: Int) -> SIMD2<UInt64> {
        SIMD2(image[20 + 2 * number], image[21 + 2 * number])
    }
    mutating func setVector(_ number: Int, _ value: SIMD2<UInt64>) {
        image[20 + 2 * number] = value[0]
        image[21 + 2 * number] = value[1]
    }
}

/// Where instructions under judgement and their data lie; as in `cjudge.h`.
enum JudgedMemory {
    static var data: UInt64 { 0x100_0000 }
    /// Bytes that can be written; a page behind them can only be read, then nothing is mapped.
    static var dataCount: Int { 0x4000 }
    static var readOnlyCount: Int { 0x1000 }
    static var code: UInt64 { 0x120_0000 }
    static var codeCount: Int { 0x8000 }
    /// Where code jumps when it is done.
    static var exit: UInt64 { 0x7abc_0000 }

    /// The way out, and what both sides of it share.
    static var judges: Range<UInt64> { exit..<exit + 0x2000 }

    /// The bytes of the jump to the exit from `place` on, the first lowest: far out of 32-bit code.
    static func wayOut(from place: UInt64, is32: Bool) -> UInt64 {
        if is32 { return 0xea | exit << 8 | 0x33 << 40 }
        return 0xe9 | UInt64(UInt32(truncatingIfNeeded: exit &- place &- 5)) << 8
    }
    static func wayOutCount(is32: Bool) -> Int { is32 ? 7 : 5 }
}
