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
    /// Changes to what CPUID answers.
    let template: CPUTemplate?
    private(set) var processors: [SoftVCPU] = []
    private let busLock = Mutex(())
    private let doorbell: Doorbell

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
        template = configuration.template
        codeMap = try CodeMap(memory)
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
    }

    package var vcpus: [any VirtualCPU] { processors }
    package var kind: EngineKind { .soft }

    package func interruptLine(gsi: UInt32) -> any InterruptLine {
        SoftInterruptLine(chipset: chipset, gsi: gsi)
    }

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
        while place < end {
            let next = min(end, (place | 0xfff) &+ 1)
            let frame = codeMap.frame(place)
            let pieces = CodeMap.pieces(offset: Int(place & 0xfff), count: Int(next &- place))
            let hit = codeMap.take(frame: frame, pieces: pieces)
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
            time.idle(vcpu.index, retired: vcpu.cpu.state.retired, until: deadline)
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
