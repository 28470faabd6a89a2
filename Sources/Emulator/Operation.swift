// SPDX-License-Identifier: Apache-2.0

/// One decoded step of a block: what to do, and its operands.
///
/// Takes the processor and its own address, does the work, and answers the address of the next
/// operation, or 0 to leave the block (see ``Processor/leave(_:to:)``).
typealias Handler = @convention(c) (_ processor: UInt, _ operation: UInt) -> UInt

/// A decoded instruction, or a part of one, 32 bytes. Registers are byte offsets into
/// ``ProcessorState/registers`` so that AH…BH and "none" (a register that is always zero) need
/// no case of their own.
struct Operation: BitwiseCopyable {
    var handler: Handler
    /// An immediate, or the link of a branch to the operation it leads to (0 until it is made).
    var immediate: Int64 = 0
    var displacement: Int32 = 0
    var base: UInt8 = Register.zero
    var index: UInt8 = Register.zero
    var segment: UInt8 = Register.zero
    /// Left shift of the index, 0 to 3.
    var scale: UInt8 = 0
    /// First register operand (ModRM.reg).
    var reg: UInt8 = Register.zero
    /// Second register operand (ModRM.rm).
    var rm: UInt8 = Register.zero
    /// Of the instruction's first byte, in its page.
    var offset: UInt16 = 0
    /// Of the instruction, in bytes, 1 to 15.
    var length: UInt8 = 0
    /// Instructions of the block up to and with this one.
    var ordinal: UInt8 = 0
    /// Whatever else the handler needs.
    var extra: UInt16 = 0

    static var stride: UInt { 32 }
}

/// Byte offsets into ``ProcessorState/registers``.
enum Register {
    static var rax: UInt8 { 0 }
    static var rcx: UInt8 { 8 }
    static var rdx: UInt8 { 16 }
    static var rbx: UInt8 { 24 }
    static var rsp: UInt8 { 32 }
    static var rbp: UInt8 { 40 }
    static var rsi: UInt8 { 48 }
    static var rdi: UInt8 { 56 }
    static var r11: UInt8 { 88 }
    /// Always zero.
    static var zero: UInt8 { 128 }
    /// Linear address of the page that the block being executed lies in.
    static var page: UInt8 { 136 }
    /// Bases of ES, CS, SS, DS, FS, GS, in this order.
    static var segmentBases: UInt8 { 144 }
    static var fsBase: UInt8 { 144 + 4 * 8 }
    static var gsBase: UInt8 { 144 + 5 * 8 }
    /// An effective address computed by an operation of its own.
    static var address: UInt8 { 192 }

    /// The segment whose base lies at byte offset `base`.
    static func segment(_ base: UInt8) -> Int { Int(base &- segmentBases) >> 3 }

    @inline(__always) static func general(_ number: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: number &* 8)
    }
    @inline(__always) static func base(of segment: Int) -> UInt8 {
        UInt8(truncatingIfNeeded: 144 &+ segment &* 8)
    }
}

/// An operation in a block, by its address.
@safe struct Op {
    let address: UInt

    @inline(__always) init(_ address: UInt) { self.address = address }

    @inline(__always) private var pointer: UnsafeMutablePointer<Operation> {
        unsafe UnsafeMutablePointer<Operation>(bitPattern: address).unsafelyUnwrapped
    }

    /// The operation behind this one.
    @inline(__always) var next: UInt { address &+ Operation.stride }

    @inline(__always) var handler: Handler { unsafe pointer.pointee.handler }
    @inline(__always) var immediate: Int64 {
        get { unsafe pointer.pointee.immediate }
        nonmutating set { unsafe pointer.pointee.immediate = newValue }
    }
    @inline(__always) var displacement: Int32 { unsafe pointer.pointee.displacement }
    @inline(__always) var base: UInt8 { unsafe pointer.pointee.base }
    @inline(__always) var index: UInt8 { unsafe pointer.pointee.index }
    @inline(__always) var segment: UInt8 { unsafe pointer.pointee.segment }
    @inline(__always) var scale: UInt8 { unsafe pointer.pointee.scale }
    @inline(__always) var reg: UInt8 { unsafe pointer.pointee.reg }
    @inline(__always) var rm: UInt8 { unsafe pointer.pointee.rm }
    @inline(__always) var offset: UInt16 { unsafe pointer.pointee.offset }
    @inline(__always) var length: UInt8 { unsafe pointer.pointee.length }
    @inline(__always) var ordinal: UInt8 { unsafe pointer.pointee.ordinal }
    @inline(__always) var extra: UInt16 { unsafe pointer.pointee.extra }
}
