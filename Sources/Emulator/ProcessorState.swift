// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Memory

/// Everything a virtual processor's handlers touch, in one piece of memory.
///
/// The hot part comes first. ``Processor`` is the view the handlers have of it.
struct ProcessorState {
    // MARK: Hot

    /// See ``Register`` for what lies where.
    var registers = InlineArray<25, UInt64>(repeating: 0)
    /// Flags of the last operation that set them: see ``Flags``.
    var flags = Flags()
    /// Instructions retired by blocks that were left or linked on from.
    var retired: UInt64 = 0
    /// Blocks are left once `retired` reaches this; other threads store 0 to get attention.
    var stopAt: UInt64 = 0
    /// The translation table for data accesses of the present mode.
    var dataTLB: UInt = 0
    /// Entries of the block look-up table (``JumpCacheSet``).
    var jumpCache: UInt = 0
    /// Identifies mode and translation of code: what a ``JumpCacheSet`` entry must have been made under.
    var codeKey: UInt64 = 0
    /// Linear address of the next instruction, whenever no block is running.
    var rip: UInt64 = 0
    /// RFLAGS bits other than the six arithmetic ones and DF: TF 8, IF 9, IOPL 12–13, NT 14, RF 16,
    /// VM 17, AC 18, ID 21; bit 1 is set.
    var systemFlags: UInt64 = 2
    /// +1 or −1: the way string instructions go (RFLAGS.DF).
    var direction: Int64 = 1
    /// CPL, 0 to 3.
    var privilege: UInt8 = 0
    var mode = CodeMode()
    /// An interrupt waits for RFLAGS.IF.
    var interruptWaiting = false
    /// The next instruction runs before any interrupt or single-step trap (after MOV SS, STI).
    var inhibitInterrupts = false
    var pending = PendingException()
    /// Data breakpoints that the instruction being stepped has hit, as in DR6.
    var watchHits: UInt64 = 0
    var leaving = LeaveReason.none

    // MARK: Floating point and vectors

    /// XMM0 to XMM15, then two for the steps of one instruction (16: its memory operand).
    var vectors = InlineArray<18, SIMD2<UInt64>>(repeating: .zero)
    var mxcsr: UInt32 = 0x1f80
    var x87 = X87State()
    var xcr0: UInt64 = 1

    // MARK: System

    var segments = InlineArray<6, Segment>(repeating: Segment())
    var ldt = Segment()
    var task = Segment()
    var gdt = DescriptorTable()
    var idt = DescriptorTable()
    var cr0: UInt64 = 0x10
    var cr2: UInt64 = 0
    var cr3: UInt64 = 0
    var cr4: UInt64 = 0
    var debug = InlineArray<8, UInt64>(repeating: 0)
    var msrs = ModelSpecificRegisters()
    /// Added to the machine's time for RDTSC, in ticks (writes of IA32_TSC, IA32_TSC_ADJUST).
    var tscOffset: UInt64 = 0
    var system = SystemState()

    // MARK: Addresses of what is outside this struct

    /// RAM that is there from the start.
    var ram = RAMLayout()
    var userTLB: UInt = 0
    var supervisorTLB: UInt = 0
    var supervisorUserTLB: UInt = 0
    var noTLB: UInt = 0
    var codeTLB: UInt = 0
    /// The ``SoftVCPU`` this belongs to, unretained.
    var owner: UInt = 0
    var generation: UInt64 = 0
    var index: Int = 0
    /// IRET has entered CPL 3 at least once.
    var sawUserCode = false
}

/// How code is decoded. Part of a block's identity.
struct CodeMode: Hashable, BitwiseCopyable {
    /// Bits: 0 64-bit code, 1 32-bit default size, 2 user (CPL 3), 3 flat segments, 4 32-bit stack,
    /// 5 protected mode, 6 long mode active, 7 vector instructions may fault.
    var rawValue: UInt8 = 0

    static var long64: UInt8 { 1 }
    static var default32: UInt8 { 2 }
    static var user: UInt8 { 4 }
    static var flat: UInt8 { 8 }
    static var stack32: UInt8 { 16 }
    static var protected: UInt8 { 32 }
    static var longActive: UInt8 { 64 }

    @inline(__always) func has(_ bit: UInt8) -> Bool { rawValue & bit != 0 }
    @inline(__always) var is64: Bool { has(Self.long64) }
}

/// An exception found by a handler and not yet delivered.
struct PendingException: BitwiseCopyable {
    /// 0xff: none.
    var vector: UInt8 = 0xff
    var hasErrorCode = false
    var errorCode: UInt32 = 0
    /// A software interrupt (INT n, INT3, INTO): no error code, DPL of the gate is checked.
    var isSoftware = false
    /// #GP for an address that is not canonical: #SS if it was the stack's.
    var isAddress = false
}

/// Why the block loop was left, beyond an exception.
enum LeaveReason: UInt8 {
    case none
    /// HLT.
    case halt
    /// Triple fault or shutdown.
    case shutdown
    /// The virtual machine itself cannot go on.
    case failed
}

/// MSRs that are plain storage or steer the processor. Intel SDM 4.
struct ModelSpecificRegisters {
    var efer: UInt64 = 0
    var star: UInt64 = 0
    var lstar: UInt64 = 0
    var cstar: UInt64 = 0
    var syscallMask: UInt64 = 0
    var kernelGSBase: UInt64 = 0
    var tscAux: UInt64 = 0
    var sysenterCS: UInt64 = 0
    var sysenterESP: UInt64 = 0
    var sysenterEIP: UInt64 = 0
    var pat: UInt64 = 0x0007_0406_0007_0406
    var miscEnable: UInt64 = 1
    var tscAdjust: UInt64 = 0
    var mtrrDefault: UInt64 = 0
    var mtrrFixed = InlineArray<11, UInt64>(repeating: 0)
    var mtrrVariable = InlineArray<16, UInt64>(repeating: 0)
    var machineCheckStatus: UInt64 = 0
    var specControl: UInt64 = 0
    var hwcr: UInt64 = 0
}
