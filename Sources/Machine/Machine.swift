// SPDX-License-Identifier: Apache-2.0
import Boot
import Bus
import Devices
import Emulator
import Hypervisor
import Linux
import Memory
import Synchronization
import Virtio

/// One microVM: memory, processors and devices, from its configuration to its end.
package final class Machine: Sendable {
    private let configuration: MachineConfiguration
    private let memory: GuestMemory
    private let virtualMachine: any VirtualMachine
    private let board: Board
    private let outcome: Outcome
    private let loop: EventLoop
    private let created: UInt64
    private let started = Atomic<UInt64>(0)

    /// Makes everything and runs nothing: after this the guest's first instruction is next.
    package init(_ configuration: MachineConfiguration) throws(MachineError) {
        self.configuration = configuration
        outcome = Outcome()
        do throws(Errno) {
            loop = try EventLoop()
        } catch {
            throw .host("cannot make an event loop: \(error)")
        }
        memory = try Self.makeMemory(configuration)
        let bus = SystemBus()
        virtualMachine = try Self.makeEngine(configuration, memory, bus)
        board = try Board(configuration, memory, virtualMachine, outcome, loop)
        bus.connect(ports: board.ports, memory: board.windows)
        let boot = try BootFiles(configuration).load(devices: board.descriptions, into: memory)
        guard let first = virtualMachine.vcpus.first else { throw .cpuCount(0) }
        first.state = boot.state
        created = Clock.monotonic
    }

    private static func makeMemory(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> GuestMemory {
        do throws(MemoryError) {
            return try GuestMemory(
                byteCount: configuration.memoryBytes,
                hugePages: configuration.hugePages == .twoMiB, prefault: configuration.prefault)
        } catch {
            throw .memory(error)
        }
    }

    private static func makeEngine(
        _ configuration: MachineConfiguration, _ memory: GuestMemory, _ bus: SystemBus
    ) throws(MachineError) -> any VirtualMachine {
        guard (1...32).contains(configuration.cpuCount) else {
            throw .cpuCount(configuration.cpuCount)
        }
        guard configuration.engine != .kvm else { throw .noKVM }
        do throws(Errno) {
            return try SoftVirtualMachine(
                memory: memory, bus: bus,
                configuration: VirtualMachineConfiguration(
                    cpuCount: configuration.cpuCount, deterministic: configuration.deterministic))
        } catch {
            throw .host("cannot make the virtual machine: \(error)")
        }
    }

    /// Runs the guest to its end. The calling thread serves the devices.
    package func run() -> MachineEnd {
        started.store(Clock.monotonic, ordering: .relaxed)
        let loop = loop
        let outcome = outcome
        let vcpus = virtualMachine.vcpus
        // The processor that ends the machine goes no further than its next branch.
        outcome.onEnd {
            for vcpu in vcpus { vcpu.kick() }
            loop.stop()
        }
        let confine = configuration.confine
        // No guest runs before all threads are confined. A thread has the limits of the one that
        // makes it, so the loop takes its own last.
        let gate = Mutex(())
        var threadCount = 0
        gate.withLock { _ in
            for vcpu in vcpus {
                do throws(Errno) {
                    try Thread(name: "fc_vcpu \(vcpu.index)") {
                        confine(.vcpu)
                        gate.withLock { _ in }
                        Self.drive(vcpu, outcome)
                    }.detach()
                    threadCount += 1
                } catch {
                    outcome.end(.failed("no thread for a processor: \(error)"))
                }
            }
            confine(.loop)
        }
        loop.run()
        outcome.waitForProcessors(threadCount)
        board.finish()
        return outcome.result ?? .failed("the event loop ended by itself")
    }

    private static func drive(_ vcpu: any VirtualCPU, _ outcome: Outcome) {
        defer { outcome.processorLeft() }
        while outcome.result == nil {
            switch vcpu.run() {
            case .interrupted: continue
            case .shutdown: outcome.end(.shutdown("triple fault on processor \(vcpu.index)"))
            case .failed(let text): outcome.end(.failed(text))
            }
        }
    }

    /// What happened when, and how much of it.
    package var timeline: MachineTimeline {
        var timeline = MachineTimeline()
        timeline.created = created
        let first = started.load(ordering: .relaxed)
        timeline.firstInstruction = first == 0 ? nil : first
        if let mark = board.bootMark {
            timeline.bootTimer = mark.time
            timeline.bootTimerInstructions = mark.instructions
        }
        for vcpu in virtualMachine.vcpus {
            timeline.instructions &+= vcpu.retiredInstructions ?? 0
            timeline.exits &+= vcpu.exitCount
        }
        return timeline
    }
}
