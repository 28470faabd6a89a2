// SPDX-License-Identifier: Apache-2.0

/// Why bytes are no instruction.
enum DecodeError: Error {
    /// #UD.
    case invalidOpcode
    /// More than 15 bytes: #GP(0).
    case tooLong
    /// The bytes run past what was given; more must be fetched from the next page.
    case truncated
}

/// The prefix that selects among instructions of one opcode. Intel SDM 2, 2.1.2.
enum MandatoryPrefix: UInt8 {
    case none = 0
    case x66, xF3, xF2
}

/// Turns the bytes of one instruction into operations.
struct Decoder {
    /// Bytes from the instruction's first on; at most 15 are looked at.
    private let bytes: UInt
    private let available: Int
    private(set) var position = 0

    let mode: CodeMode
    /// Where the operations go; the block's instruction being decoded appends to it.
    var output: BlockBuffer

    // MARK: Prefixes

    /// REX, or 0.
    var rex: UInt8 = 0
    var operandOverride = false
    var addressOverride = false
    var lock = false
    /// 0xF2, 0xF3 or 0.
    var repeatPrefix: UInt8 = 0
    /// Segment override, 0 to 5, or nil.
    var segmentOverride: Int?

    /// The opcode itself, and its table; nil: the one-byte opcodes.
    var opcode: UInt8 = 0
    var opcodeMap: OpcodeMap?
    /// The instruction has a VEX prefix.
    var isVEX = false

    // MARK: ModRM

    /// ModRM.mod, reg (with REX.R) and rm (with REX.B).
    private(set) var mod: UInt8 = 0
    private(set) var reg = 0
    private(set) var rm = 0
    /// Where the operand lies, if `isMemory`: base, index, scale, displacement, segment are set.
    var operand: Operation

    /// Set by an instruction after which the block cannot go on.
    var endsBlock = false

    init(bytes: UInt, available: Int, mode: CodeMode, output: BlockBuffer) {
        self.bytes = bytes
        self.available = min(available, 15)
        self.mode = mode
        self.output = output
        operand = Operation(handler: BranchHandlers.stale)
    }

    // MARK: Bytes

    mutating func byte() throws(DecodeError) -> UInt8 {
        guard position < available else {
            throw available == 15 ? .tooLong : .truncated
        }
        defer { position &+= 1 }
        return HostAddress(bytes &+ UInt(position)).load(UInt8.self)
    }

    /// Takes back the last byte read.
    mutating func unread() { position &-= 1 }

    private mutating func value<T: Word>(_ type: T.Type) throws(DecodeError) -> T {
        guard position &+ T.byteCount <= available else {
            throw available == 15 ? .tooLong : .truncated
        }
        defer { position &+= T.byteCount }
        return HostAddress(bytes &+ UInt(position)).load(T.self)
    }

    /// Immediates, sign-extended.
    mutating func immediate8() throws(DecodeError) -> Int64 { try value(UInt8.self).extended }
    mutating func immediate16() throws(DecodeError) -> Int64 { try value(UInt16.self).extended }
    mutating func immediate32() throws(DecodeError) -> Int64 { try value(UInt32.self).extended }
    mutating func immediate64() throws(DecodeError) -> Int64 { try value(UInt64.self).extended }

    /// An immediate of the operand size, at most 4 bytes, sign-extended.
    mutating func immediate(size: Int) throws(DecodeError) -> Int64 {
        switch size {
        case 0: try immediate8()
        case 1: try immediate16()
        default: try immediate32()
        }
    }

    // MARK: Sizes

    var is64: Bool { mode.is64 }
    var rexW: Bool { rex & 8 != 0 }

    /// Operand size of word instructions: 1, 2 or 3 for 16, 32 or 64 bits.
    var size: Int {
        if rexW { return 3 }
        return is64 || mode.has(CodeMode.default32)
            ? (operandOverride ? 1 : 2) : (operandOverride ? 2 : 1)
    }
    /// As ``size`` for instructions whose size in 64-bit mode is 64 or 16 bits (stack, near branches).
    var stackSize: Int { is64 ? (operandOverride && !rexW ? 1 : 3) : size }

    /// 1, 2 or 3 for addresses of 16, 32 or 64 bits.
    var addressSize: Int {
        if is64 { return addressOverride ? 2 : 3 }
        return mode.has(CodeMode.default32) != addressOverride ? 2 : 1
    }

    /// For opcodes of SSE: the prefix that selects.
    var mandatoryPrefix: MandatoryPrefix {
        switch repeatPrefix {
        case 0xf3: .xF3
        case 0xf2: .xF2
        default: operandOverride ? .x66 : .none
        }
    }

    // MARK: ModRM

    var isMemory: Bool { mod != 3 }
    /// ModRM.reg without REX.R: an opcode extension.
    var group: Int { reg & 7 }

    /// Reads ModRM, SIB and displacement, and prepares ``operand``.
    mutating func modRM() throws(DecodeError) {
        let modrm = try byte()
        mod = modrm >> 6
        reg = Int(modrm >> 3 & 7) | (rex & 4 != 0 ? 8 : 0)
        rm = Int(modrm & 7) | (rex & 1 != 0 ? 8 : 0)
        guard isMemory else { return }
        operand.base = Register.zero
        operand.index = Register.zero
        operand.scale = 0
        operand.displacement = 0
        if addressSize == 1 {
            try address16(modrm)
        } else {
            try address32(modrm)
        }
    }

    /// The linear address of a RIP-relative operand is only known once the instruction's length is;
    /// this is set when ``finishOperand()`` has to add it.
    private var ripRelative = false
    private var defaultSegment = 3

    private mutating func address32(_ modrm: UInt8) throws(DecodeError) {
        let low = modrm & 7
        ripRelative = false
        defaultSegment = 3
        if low == 4 {
            let sib = try byte()
            let index = Int(sib >> 3 & 7) | (rex & 2 != 0 ? 8 : 0)
            if index != 4 {
                operand.index = Register.general(index)
                operand.scale = sib >> 6
            }
            let base = Int(sib & 7) | (rex & 1 != 0 ? 8 : 0)
            if sib & 7 == 5 && mod == 0 {
                operand.displacement = Int32(truncatingIfNeeded: try immediate32())
            } else {
                operand.base = Register.general(base)
                if base == 4 || base == 5 { defaultSegment = 2 }
            }
        } else if low == 5 && mod == 0 {
            operand.displacement = Int32(truncatingIfNeeded: try immediate32())
            ripRelative = is64
        } else {
            operand.base = Register.general(rm)
            if rm == 5 || rm == 4 { defaultSegment = 2 }
        }
        if mod == 1 { operand.displacement = Int32(truncatingIfNeeded: try immediate8()) }
        if mod == 2 { operand.displacement = Int32(truncatingIfNeeded: try immediate32()) }
    }

    private mutating func address16(_ modrm: UInt8) throws(DecodeError) {
        let pairs: (UInt8, UInt8, Int)
        switch modrm & 7 {
        case 0: pairs = (Register.rbx, Register.rsi, 3)
        case 1: pairs = (Register.rbx, Register.rdi, 3)
        case 2: pairs = (Register.rbp, Register.rsi, 2)
        case 3: pairs = (Register.rbp, Register.rdi, 2)
        case 4: pairs = (Register.zero, Register.rsi, 3)
        case 5: pairs = (Register.zero, Register.rdi, 3)
        case 6:
            pairs = mod == 0 ? (Register.zero, Register.zero, 3) : (Register.rbp, Register.zero, 2)
        default: pairs = (Register.rbx, Register.zero, 3)
        }
        ripRelative = false
        operand.base = pairs.0
        operand.index = pairs.1
        defaultSegment = pairs.2
        if mod == 1 {
            operand.displacement = Int32(truncatingIfNeeded: try immediate8())
        } else if mod == 2 || modrm & 7 == 6 && mod == 0 {
            operand.displacement = Int32(truncatingIfNeeded: try immediate16())
        }
    }

    /// Completes the memory operand once all bytes have been read: the segment, RIP-relative
    /// addresses, and a step of its own for addresses that are not 64 bits wide.
    mutating func finishOperand() {
        guard isMemory else { return }
        finishOperand(defaultSegment: defaultSegment)
        defaultSegment = 3
    }

    /// Prepares the operand of LEA: the offset alone, with neither base nor limit.
    mutating func finishOffset() {
        guard !is64 || addressSize == 2 else {
            segmentOverride = nil
            return finishOperand()
        }
        placeRelative()
        emitAddressStep(base: Register.zero)
    }

    /// The segment of the operand, until it is finished.
    var operandSegment: Int { segmentOverride ?? defaultSegment }

    /// Relative to the page, where the block knows it is; the instruction's end is added.
    private mutating func placeRelative() {
        guard ripRelative else { return }
        ripRelative = false
        operand.base = Register.page
        let end = Int32(truncatingIfNeeded: output.offset &+ position)
        let (sum, overflow) = operand.displacement.addingReportingOverflow(end)
        if overflow {
            // The sum needs 33 bits: its second part goes by way of the index.
            emit(AddressStep.absolute, immediate: Int64(end))
            operand.index = Register.address
        } else {
            operand.displacement = sum
        }
    }

    /// As ``finishOperand()`` for operands without ModRM, whose fields the caller has set.
    mutating func finishOperand(defaultSegment: Int) {
        let segment = segmentOverride ?? defaultSegment
        placeRelative()
        guard is64 else {
            let writes = writesOperand
            let isRefused = segment == 1 && writes && mode.has(CodeMode.protected)
            let checked = isRefused || !mode.has(CodeMode.flat)
            let bytes = UInt16(checked ? operandBytes : firstBytes)
            return emitAddressStep(
                base: Register.base(of: segment), checked: checked,
                extra: UInt16(segment) | (writes ? 8 : 0) | bytes << 4)
        }
        if addressSize == 2 { emitAddressStep(base: Register.zero) }
        operand.segment = segment >= 4 ? Register.base(of: segment) : Register.zero
    }

    /// Emits a step that leaves the address in ``Register/address``, with checks where segments are
    /// not flat, and makes the operand refer to it.
    private mutating func emitAddressStep(base: UInt8, checked: Bool = false, extra: UInt16 = 0) {
        var step = operand
        step.segment = base
        step.extra = extra
        step.handler = AddressStep.handler(size: addressSize, checked: checked)
        output.append(step)
        operand.base = Register.address
        operand.index = Register.zero
        operand.segment = Register.zero
        operand.scale = 0
        operand.displacement = 0
    }

    // MARK: Operations

    /// Byte offset of general register `number` as an operand of `size` 0 (bytes) to 3.
    func register(_ number: Int, size: Int) -> UInt8 {
        if size == 0 && rex == 0 && number >= 4 && number < 8 {
            return Register.general(number - 4) &+ 1
        }
        return Register.general(number)
    }

    /// Appends an operation on the decoded operand. Call ``finishOperand()`` first where there is one.
    mutating func emit(
        _ handler: Handler, reg: UInt8 = Register.zero, rm: UInt8 = Register.zero,
        immediate: Int64 = 0, extra: UInt16 = 0
    ) {
        var operation = operand
        operation.handler = handler
        operation.reg = reg
        operation.rm = rm
        operation.immediate = immediate
        operation.extra = extra
        output.append(operation)
    }
}
