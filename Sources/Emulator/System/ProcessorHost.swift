// SPDX-License-Identifier: Apache-2.0

/// What a processor's instructions reach outside it.
///
/// Called on the processor's own thread, while ``ProcessorState/retired`` counts all instructions
/// before the one that calls.
protocol ProcessorHost: AnyObject {
    /// IN. `size` is 1, 2 or 4 bytes.
    func readPort(_ port: UInt16, size: Int) -> UInt32
    /// OUT. `size` is 1, 2 or 4 bytes.
    func writePort(_ port: UInt16, size: Int, value: UInt32)
    /// The machine's time in nanoseconds when `retired` instructions have been executed.
    func time(retired: UInt64) -> UInt64
    /// MSRs that are not the processor's: local APIC, TSC deadline, kvm-clock. Nil: #GP.
    func readMSR(_ number: UInt32) -> UInt64?
    /// False: #GP.
    func writeMSR(_ number: UInt32, _ value: UInt64) -> Bool
    /// IA32_TSC or IA32_TSC_ADJUST was written: the time stamp counter is that of ``time(retired:)``
    /// plus `offset` from now on, which TSC deadlines go by.
    func timeStampMoved(offset: UInt64)
    /// CR8, 0 to 15.
    var taskPriority: UInt8 { get set }
}

extension Processor {
    /// The processor object that this state belongs to.
    @inline(__always) var host: SoftVCPU { vcpu }

    /// Calls the host at `op`'s instruction, with the count of retired instructions exact.
    @inline(__always) func atInstruction<R>(_ op: Op, _ body: (SoftVCPU) -> R) -> R {
        let before = UInt64(op.ordinal &- 1)
        state.retired &+= before
        let result = body(host)
        state.retired &-= before
        return result
    }

    /// The time stamp counter at `op`'s instruction.
    func timeStamp(_ op: Op) -> UInt64 {
        let now = host.time(retired: state.retired &+ UInt64(op.ordinal) &- 1)
        return host.machine.timeStampScale.ticks(in: now) &+ state.tscOffset
    }
}
