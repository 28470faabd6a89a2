// SPDX-License-Identifier: Apache-2.0
import Hypervisor
import Linux
import Memory
import Synchronization

/// A virtual machine of the software engine.
package final class SoftVirtualMachine: VirtualMachine, GuestWriteObserver, @unchecked Sendable {
    static var localAPICBase: UInt64 { 0xfee0_0000 }
    static var ioAPICBase: UInt64 { 0xfec0_0000 }

    let memory: GuestMemory
    let bus: any MachineBus
    let codeMap: CodeMap
    let chipset: Chipset
    let clock: KVMClock
    let time: MachineTime
    let cpuCount: Int
    let threadsPerCore: UInt32
    /// Changes to what CPUID answers.
    let template: CPUTemplate?
    private(set) var processors: [SoftVCPU] = []
    /// How fast time stamp counters run. Changed only while no processor runs.
    private(set) var timeStampScale = TimeStampScale.natural
    /// What CPUID answers, if not the engine's own processor. Changed only while no processor runs.
    private(set) var cpuid: CPUIDTable?
    private let halt = Mutex(Halt())
    private let busLock = Mutex(())
    private let doorbell: Doorbell
    let recall: BlockRecall
    private let entry = Mutex<UserEntry?>(nil)

    /// What all parts of a state have in common, between two runs.
    private struct Halt {
        /// Guest time at which the machine's state was saved or restored.
        var instant: UInt64?
        /// Offset of all time stamp counters but for what the guest has added itself.
        var offset: UInt64?
    }

    /// Lets the chipset reach processors that are made after it.
    private final class Doorbell: @unchecked Sendable {
        var processors: [SoftVCPU] = []
    }

    package init(
        memory: GuestMemory, bus: any MachineBus, configuration: VirtualMachineConfiguration
    ) throws(Errno) {
        self.memory = memory
        self.bus = bus
        cpuCount = configuration.cpuCount
        threadsPerCore = UInt32(truncatingIfNeeded: configuration.threadsPerCore)
        template = configuration.template
        codeMap = try CodeMap(memory)
        recall = BlockRecall(memory)
        let doorbell = Doorbell()
        self.doorbell = doorbell
        chipset = Chipset(cpuCount: configuration.cpuCount) {
            doorbell.processors[$0].chipsetHasNews()
        }
        let deterministic = configuration.deterministic
        clock = KVMClock(
            memory: memory, cpuCount: configuration.cpuCount,
            epoch: deterministic ? 0 : Clock.realtime)
        time = try MachineTime(deterministic: deterministic, cpuCount: configuration.cpuCount)
        for index in 0..<configuration.cpuCount {
            processors.append(try SoftVCPU(index: index, machine: self))
        }
        doorbell.processors = processors
        memory.writeObserver = self
        memory.pluggable?.observer = self
        cpuid = configuration.cpuid
        if let rate = configuration.tscKilohertz { setTimeStampRate(rate) }
    }

    /// A machine without processors, around those that complete single instructions of another.
    init(completing memory: GuestMemory, bus: any MachineBus, cpuCount: Int) throws(Errno) {
        self.memory = memory
        self.bus = bus
        self.cpuCount = cpuCount
        threadsPerCore = 1
        template = nil
        codeMap = try CodeMap(memory)
        recall = BlockRecall(memory)
        doorbell = Doorbell()
        chipset = Chipset(cpuCount: 1) { _ in }
        clock = KVMClock(memory: memory, cpuCount: 1, epoch: 0)
        time = try MachineTime(deterministic: false, cpuCount: 1)
    }

    package var vcpus: [any VirtualCPU] { processors }
    package var kind: EngineKind { .soft }

    package func interruptLine(gsi: UInt32) -> any InterruptLine {
        SoftInterruptLine(chipset: chipset, gsi: gsi)
    }

    package var userEntry: UserEntry? { entry.withLock { $0 } }

    /// A processor enters CPL 3 for its first time; the machine's first counts.
    func noteUserEntry() {
        entry.withLock { entry in
            if entry == nil {
                let retired = processors.reduce(UInt64(0)) { $0 &+ $1.cpu.state.retired }
                entry = UserEntry(time: Clock.monotonic, instructions: retired)
            }
        }
    }

    // MARK: Stops

    /// Guest time of the stop that the machine is in, for a part of its state.
    func instant(_ vcpu: SoftVCPU) -> UInt64 { halt.withLock { $0.instant } ?? now(vcpu) }

    /// The moment at which the machine is saved.
    func stopInstant() -> UInt64 {
        let now = time.now
        halt.withLock { $0.instant = now }
        return now
    }

    /// The moment that a restored machine is at.
    func startInstant(_ now: UInt64) { halt.withLock { $0 = Halt(instant: now, offset: nil) } }

    /// A processor runs: time goes on.
    func resume() {
        halt.withLock { if $0.instant != nil { $0.instant = nil } }
    }

    /// The offset that a processor's time stamp counter gets: that of the first one restored if it
    /// is less than a second away, since counters that were read one after the other are one.
    func commonOffset(_ offset: UInt64) -> UInt64 {
        halt.withLock { halt in
            guard let known = halt.offset else {
                halt.offset = offset
                return offset
            }
            let distance = Int64(bitPattern: offset &- known).magnitude
            return distance < UInt64(timeStampScale.kilohertz) * 1000 ? known : offset
        }
    }

    func setTimeStampRate(_ kilohertz: UInt32) {
        timeStampScale = TimeStampScale(kilohertz: kilohertz)
        chipset.setTimeStampScale(timeStampScale)
        clock.setTimeStampScale(timeStampScale)
    }

    /// Makes CPUID answer what `table` says; nil: the engine's own.
    func adopt(_ table: CPUIDTable?) { cpuid = table }

    // MARK: Code

    /// Code of a page has been overwritten by a processor, or by the host (`writer` nil).
    func codeWritten(frame: Int, pieces: UInt64, by writer: SoftVCPU?) {
        for processor in processors {
            if processor === writer {
                processor.code.invalidate(frame: frame, pieces: pieces)
            } else {
                processor.codeWasWritten(frame: frame, pieces: pieces)
            }
        }
    }

    func guardPage(_ frame: Int, except owner: SoftVCPU) {
        for processor in processors where processor !== owner { processor.guardPage(frame) }
    }

    package func hostWrote(at address: GuestAddress, count: UInt64) {
        guard count > 0, let host = memory.hostAddress(of: address, count: count) else { return }
        var place = host
        let end = host &+ UInt(count)
        codeMap.orderWrites()
        while place < end {
            let next = min(end, (place | 0xfff) &+ 1)
            let frame = codeMap.frame(place)
            let pieces = CodeMap.pieces(offset: Int(place & 0xfff), count: Int(next &- place))
            let hit = codeMap.takeOrdered(frame: frame, pieces: pieces)
            if hit != 0 { codeWritten(frame: frame, pieces: hit, by: nil) }
            place = next
        }
    }

    func withBusLock(_ body: () -> Bool) -> Bool { busLock.withLock { _ in body() } }

    // MARK: Time

    /// Guest time in nanoseconds as `vcpu` sees it now.
    func now(_ vcpu: SoftVCPU) -> UInt64 {
        time.now(retired: vcpu.cpu.state.retired)
    }

    func takeTurn(_ vcpu: SoftVCPU) {
        if time.isDeterministic { time.takeTurn(vcpu.index, retired: vcpu.cpu.state.retired) }
    }

    /// The processor's thread leaves the engine.
    func leave(_ vcpu: SoftVCPU) {
        if time.isDeterministic { time.leave(vcpu.index, retired: vcpu.cpu.state.retired) }
    }

    /// Waits until `signals` are raised or guest time `deadline`.
    func sleep(_ vcpu: SoftVCPU, _ signals: Signalbox, until deadline: UInt64) {
        if time.isDeterministic {
            time.idle(vcpu.index, retired: vcpu.cpu.state.retired, until: deadline) {
                signals.isRaised
            }
        } else {
            signals.wait(until: time.hostTime(of: deadline))
        }
    }

    /// Instructions to run before the next look at the clock.
    func quantum(_ usual: UInt64, until deadline: UInt64, _ vcpu: SoftVCPU) -> UInt64 {
        guard time.isDeterministic, deadline != .max else { return usual }
        let now = now(vcpu)
        return deadline <= now ? 1 : min(usual, deadline &- now)
    }
}

/// A wire into the chipset.
private final class SoftInterruptLine: InterruptLine {
    private let chipset: Chipset
    private let gsi: UInt32

    init(chipset: Chipset, gsi: UInt32) {
        self.chipset = chipset
        self.gsi = gsi
    }

    func pulse() { chipset.pulse(gsi: gsi) }
    func set(_ high: Bool) { chipset.setLine(gsi: gsi, high: high) }
}
