// SPDX-License-Identifier: Apache-2.0

/// A virtual processor as its handlers see it: the state, by its address.
///
/// Copying it copies an address; there is nothing to retain.
@safe struct Processor {
    let address: UInt

    @inline(__always) init(_ address: UInt) { self.address = address }

    @inline(__always) private var pointer: UnsafeMutablePointer<ProcessorState> {
        unsafe UnsafeMutablePointer<ProcessorState>(bitPattern: address).unsafelyUnwrapped
    }

    /// The state itself, changed in place.
    var state: ProcessorState {
        @inline(__always) _read { yield unsafe pointer.pointee }
        @inline(__always) nonmutating _modify { yield unsafe &pointer.pointee }
    }

    // MARK: Registers

    /// The operand at byte offset `offset` of the register file.
    @inline(__always) func get<T: Word>(_ offset: UInt8, _ type: T.Type = T.self) -> T {
        unsafe UnsafeRawPointer(bitPattern: address &+ UInt(offset)).unsafelyUnwrapped
            .load(as: T.self)
    }

    /// Writes an operand; 4 bytes clear the upper half, 1 and 2 leave the rest as it is.
    @inline(__always) func set<T: Word>(_ offset: UInt8, _ value: T) {
        let target = unsafe UnsafeMutableRawPointer(bitPattern: address &+ UInt(offset))
            .unsafelyUnwrapped
        if T.bitWidth == 32 {
            unsafe target.storeBytes(of: UInt64(truncatingIfNeeded: value), as: UInt64.self)
        } else {
            unsafe target.storeBytes(of: value, as: T.self)
        }
    }

    @inline(__always) func get64(_ offset: UInt8) -> UInt64 { get(offset, UInt64.self) }
    @inline(__always) func set64(_ offset: UInt8, _ value: UInt64) { set(offset, value) }

    var rax: UInt64 {
        @inline(__always) get { get(Register.rax) }
        @inline(__always) nonmutating set { set(Register.rax, newValue) }
    }
    var rcx: UInt64 {
        @inline(__always) get { get(Register.rcx) }
        @inline(__always) nonmutating set { set(Register.rcx, newValue) }
    }
    var rdx: UInt64 {
        @inline(__always) get { get(Register.rdx) }
        @inline(__always) nonmutating set { set(Register.rdx, newValue) }
    }
    var rsp: UInt64 {
        @inline(__always) get { get(Register.rsp) }
        @inline(__always) nonmutating set { set(Register.rsp, newValue) }
    }
    /// Linear address of the page of the running block.
    var page: UInt64 {
        @inline(__always) get { get(Register.page) }
        @inline(__always) nonmutating set { set(Register.page, newValue) }
    }

    /// Vector register `number`, 0 to 15; 16 and 17 are scratch (16: an instruction's memory operand).
    @inline(__always) func vector(_ number: UInt8) -> SIMD2<UInt64> {
        unsafe UnsafeRawPointer(bitPattern: vectorAddress(number)).unsafelyUnwrapped
            .load(as: SIMD2<UInt64>.self)
    }
    @inline(__always) func setVector(_ number: UInt8, _ value: SIMD2<UInt64>) {
        unsafe UnsafeMutableRawPointer(bitPattern: vectorAddress(number)).unsafelyUnwrapped
            .storeBytes(of: value, as: SIMD2<UInt64>.self)
    }
    /// Where the 16 bytes of vector register `number` lie.
    @inline(__always) func vectorAddress(_ number: UInt8) -> UInt {
        // A key path's offset would be looked up at run time: this is a constant.
        let start = unsafe withUnsafeMutablePointer(to: &pointer.pointee.vectors) {
            UInt(bitPattern: $0)
        }
        return start &+ UInt(number & 31) &* 16
    }

    // MARK: Addresses

    /// The linear address of a memory operand.
    @inline(__always) func effectiveAddress(_ op: Op) -> UInt64 {
        let index: UInt64 = get(op.index) << UInt64(op.scale & 3)
        let displacement = UInt64(bitPattern: Int64(op.displacement))
        return get64(op.base) &+ index &+ displacement &+ get64(op.segment)
    }

    /// Linear address of the instruction that `op` belongs to.
    @inline(__always) func linearAddress(_ op: Op) -> UInt64 { page &+ UInt64(op.offset) }
    /// Linear address behind it.
    @inline(__always) func linearEnd(_ op: Op) -> UInt64 {
        page &+ UInt64(op.offset) &+ UInt64(op.length)
    }

    // MARK: Flags

    var flags: Flags {
        @inline(__always) get { state.flags }
        @inline(__always) nonmutating set { state.flags = newValue }
    }

    /// RFLAGS as the guest sees it.
    var rflags: UInt64 {
        get {
            state.flags.bits | state.systemFlags | (state.direction < 0 ? 0x400 : 0)
        }
        nonmutating set {
            state.flags.bits = newValue
            state.systemFlags = newValue & 0x0027_7300 | 2
            state.direction = newValue & 0x400 != 0 ? -1 : 1
        }
    }

    // MARK: Leaving a block

    /// Leaves the block behind `op`; execution goes on at linear address `to`.
    @inline(never) func leave(_ op: Op, to target: UInt64) -> UInt {
        state.retired &+= UInt64(op.ordinal)
        state.rip = target
        return 0
    }

    /// Executes the operation at `operation`. It is what a handler ends with, and so becomes a jump
    /// instead of a call: the way from handler to handler is as short as can be, and the host
    /// predicts each one's own successor.
    @inline(__always) func goOn(at operation: UInt) -> UInt {
        #if DEBUG
        // Not optimized it would be a call, and the stack would fill.
        return operation
        #else
        return Op(operation).handler(address, operation)
        #endif
    }

    /// Executes the operation behind `op`, as ``goOn(at:)`` does.
    @inline(__always) func goOn(behind op: Op) -> UInt { goOn(at: op.next) }

    /// Leaves the block behind `op`'s instruction, going on with the next one in the page or beyond.
    @inline(never) func leave(_ op: Op) -> UInt { leave(op, to: linearEnd(op)) }

    /// Leaves the block before `op`'s instruction, which has raised the pending exception or is to
    /// be executed again.
    @inline(never) func fault(_ op: Op) -> UInt {
        state.retired &+= UInt64(op.ordinal &- 1)
        state.rip = linearAddress(op)
        if state.pending.isAddress { blameOperand(op) }
        return 0
    }

    /// Raises `exception` at `op`'s instruction.
    @inline(never) func raise(_ op: Op, _ exception: Exception, errorCode: UInt32 = 0) -> UInt {
        pend(exception, errorCode: errorCode)
        return fault(op)
    }

    /// Notes an exception for delivery. The caller then leaves the block with ``fault(_:)``.
    @inline(never) func pend(_ exception: Exception, errorCode: UInt32 = 0) {
        state.pending = PendingException(
            vector: exception.rawValue, hasErrorCode: exception.hasErrorCode, errorCode: errorCode)
    }
}

/// Exceptions by vector. Intel SDM 3, 6.3.1.
enum Exception: UInt8 {
    case divide = 0, debug, nmi, breakpoint, overflow, bound, invalidOpcode, deviceNotAvailable
    case doubleFault = 8
    case invalidTSS = 10, segmentNotPresent, stack, generalProtection, page
    case floatingPoint = 16, alignment, machineCheck, simd

    var hasErrorCode: Bool {
        switch self {
        case .doubleFault, .invalidTSS, .segmentNotPresent, .stack, .generalProtection, .page,
            .alignment:
            true
        default: false
        }
    }
}
