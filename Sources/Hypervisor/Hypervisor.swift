// SPDX-License-Identifier: Apache-2.0
import Memory

/// What a virtual processor reaches outside RAM: the ports and the memory-mapped devices.
///
/// Called on vCPU threads, several at once. Addresses and values are the guest's choice.
package protocol MachineBus: AnyObject, Sendable {
    /// `size` is 1, 2 or 4 bytes.
    func readPort(_ port: UInt16, size: Int) -> UInt32
    func writePort(_ port: UInt16, size: Int, value: UInt32)
    /// `size` is 1, 2, 4 or 8 bytes.
    func readMemory(_ address: GuestAddress, size: Int) -> UInt64
    func writeMemory(_ address: GuestAddress, size: Int, value: UInt64)
}

/// One wire into the guest's interrupt controllers (a GSI).
package protocol InterruptLine: AnyObject, Sendable {
    /// An edge: up and down again.
    func pulse()
    /// A level, for lines that the guest was told are level-triggered.
    func set(_ high: Bool)
}

/// A vCPU's next life after an exit.
package enum VCPUExit: Hashable, Sendable {
    /// Somebody called ``VirtualCPU/kick()``: state is consistent, `run` may be called again.
    case interrupted
    /// Triple fault or the processor's shutdown state. VM-ending.
    case shutdown
    /// The host has no page for the guest's memory: its disk is full, or a file has become shorter. The
    /// text says what is known of it.
    case memoryLost(String)
    /// The engine cannot go on; the text says what it met.
    case failed(String)
}

/// One virtual processor. Every call but ``kick()`` comes from the one thread that runs it.
package protocol VirtualCPU: AnyObject, Sendable {
    /// Below the machine's vCPU count; 0 is the boot processor.
    var index: Int { get }
    /// The whole architectural state. Only between calls of ``run()``.
    func save() throws(EngineError) -> CPUState
    /// Gives the processor a state. Only between calls of ``run()``.
    func restore(_ state: CPUState) throws(EngineError)
    /// Executes the guest until something ends the run. A halted processor waits inside.
    func run() -> VCPUExit
    /// Makes a `run` that is under way, or the next one, return `.interrupted`. Any thread.
    func kick()
    /// Tells a guest that keeps KVM's clock that it has stood still on purpose, so that its watchdogs
    /// forgive the time. Only between calls of ``run()``, on the thread that calls it. False: the
    /// engine could not; a guest without such a clock needs nothing.
    func tellStopped() -> Bool
    /// Guest instructions retired so far, if the engine counts them.
    var retiredInstructions: UInt64? { get }
    /// Exits to ports and memory-mapped devices so far.
    var exitCount: UInt64 { get }
    /// How often an ``EmulationFallback`` has been asked, by opcode in hexadecimal. Any thread.
    var completedInstructions: [String: UInt64] { get }
}

extension VirtualCPU {
    package var completedInstructions: [String: UInt64] { [:] }
}

/// One virtual machine of an engine: its processors and its interrupt wires.
package protocol VirtualMachine: AnyObject, Sendable {
    /// In the order of their index.
    var vcpus: [any VirtualCPU] { get }
    /// The wire of global system interrupt `gsi`, 0 to 23.
    func interruptLine(gsi: UInt32) -> any InterruptLine
    /// When the guest first ran user code, if the engine can tell.
    var userEntry: UserEntry? { get }
    /// Who executes the guest's instructions.
    var kind: EngineKind { get }
    /// The state of interrupt controllers, timers and clock. Only while no processor runs: kick
    /// each of them and do not call its `run` again.
    func save() throws(EngineError) -> MachineState
    /// Gives the machine a state, before its processors get theirs.
    func restore(_ state: MachineState) throws(EngineError)
    /// Makes the engine add one to the eventfd `descriptor` when the guest writes 32 bits to
    /// `address`, without asking the ``MachineBus``. False if it cannot: then the write comes to
    /// the bus as any other. Accesses of another kind may count as well. The descriptor stays the
    /// caller's.
    func signalOnWrite(to address: GuestAddress, descriptor: CInt) -> Bool
}

/// The moment at which a guest's kernel handed over to its first program.
package struct UserEntry: Hashable, Sendable {
    /// On the host's monotonic clock, in nanoseconds.
    package let time: UInt64
    /// Guest instructions retired until then by all processors.
    package let instructions: UInt64

    package init(time: UInt64, instructions: UInt64) {
        self.time = time
        self.instructions = instructions
    }
}

extension VirtualMachine {
    package var userEntry: UserEntry? { nil }
    package func save() throws(EngineError) -> MachineState {
        throw .unsupported("save its state")
    }
    package func restore(_ state: MachineState) throws(EngineError) {
        throw .unsupported("restore a state")
    }
    package func signalOnWrite(to address: GuestAddress, descriptor: CInt) -> Bool { false }
}

/// What a machine asks of an engine.
package struct VirtualMachineConfiguration: Sendable {
    /// 1 to 32.
    package var cpuCount: Int
    /// Processors that CPUID calls threads of one core: 1, or 2 of an even number of processors.
    package var threadsPerCore = 1
    /// Time from retired instructions, one vCPU at a time: the same run twice, bit for bit.
    /// Only the software engine can.
    package var deterministic: Bool
    /// Changes to the processors before their first instruction.
    package var template: CPUTemplate?
    /// What CPUID answers on the boot processor of a machine that is to be restored; nil: what
    /// the engine offers, with the template's changes.
    package var cpuid: CPUIDTable?
    /// Thousands of ticks of the time stamp counter a second, for engines that can choose; nil:
    /// what the engine finds natural.
    package var tscKilohertz: UInt32?

    package init(cpuCount: Int, deterministic: Bool = false) {
        self.cpuCount = cpuCount
        self.deterministic = deterministic
    }
}
