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
    let memory: GuestMemory
    private let virtualMachine: any VirtualMachine
    let board: Board
    private let bus: SystemBus
    private let outcome: Outcome
    private let gate: ProcessorGate
    private let phase = Mutex(Phase.made)
    private let loop: EventLoop
    private let created: UInt64
    private let started = Atomic<UInt64>(0)

    /// How far a machine has come.
    private enum Phase {
        case made
        /// With so many threads for processors.
        case running(threads: Int)
        case paused(threads: Int)
    }

    /// Makes everything and runs nothing: after this the guest's first instruction is next.
    ///
    /// - Parameter loop: Serves the devices; nil: one of its own.
    package init(
        _ configuration: MachineConfiguration, loop: EventLoop? = nil
    ) throws(MachineError) {
        self.configuration = configuration
        outcome = Outcome()
        do throws(Errno) {
            if let loop { self.loop = loop } else { self.loop = try EventLoop() }
            gate = try ProcessorGate(processorCount: max(0, min(configuration.cpuCount, 32)))
        } catch {
            throw .host("cannot make an event loop: \(error)")
        }
        memory = try Self.makeMemory(configuration)
        bus = SystemBus()
        virtualMachine = try Self.makeEngine(configuration, memory, bus)
        board = try Board(configuration, memory, virtualMachine, outcome, self.loop)
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
                pluggable: configuration.hotplug.map {
                    PluggableSize(byteCount: $0.byteCount, blockSize: $0.blockSize)
                },
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

    // MARK: Running

    /// Runs the guest to its end. The calling thread serves the devices.
    package func run() -> MachineEnd {
        start()
        loop.run()
        return finish()
    }

    /// Lets the processors run, each on a thread of its own. The event loop, which some thread must
    /// run, stops when the machine ends.
    package func start() {
        started.store(Clock.monotonic, ordering: .relaxed)
        let loop = loop
        let outcome = outcome
        let gate = gate
        let vcpus = virtualMachine.vcpus
        // The processor that ends the machine goes no further than its next branch.
        outcome.onEnd {
            for vcpu in vcpus { vcpu.kick() }
            gate.end()
            loop.stop()
        }
        var threadCount = 0
        for vcpu in vcpus {
            do throws(Errno) {
                try Thread(name: "fc_vcpu \(vcpu.index)") {
                    Self.drive(vcpu, outcome, gate)
                }.detach()
                threadCount += 1
            } catch {
                outcome.end(.failed("no thread for a processor: \(error)"))
            }
        }
        phase.withLock { $0 = .running(threads: threadCount) }
    }

    /// Waits until nothing of the machine is in use, and says how it ended. Call it once, after the
    /// event loop has stopped.
    package func finish() -> MachineEnd {
        // A loop that somebody else stopped ends the machine too.
        outcome.end(.failed("the event loop ended by itself"))
        switch phase.withLock({ $0 }) {
        case .made: break
        case .running(let threads), .paused(let threads): outcome.waitForProcessors(threads)
        }
        board.finish()
        return outcome.result ?? .failed("the event loop ended by itself")
    }

    private static func drive(_ vcpu: any VirtualCPU, _ outcome: Outcome, _ gate: ProcessorGate) {
        defer { outcome.processorLeft() }
        while outcome.result == nil {
            switch vcpu.run() {
            case .interrupted: gate.pass(vcpu.index)
            case .shutdown: outcome.end(.shutdown("triple fault on processor \(vcpu.index)"))
            case .failed(let text): outcome.end(.failed(text))
            }
        }
    }

    // MARK: Pausing

    /// How long a processor may take to stop, in nanoseconds.
    private static var pauseLimit: UInt64 { 30_000_000_000 }

    /// Stops all processors between two instructions, then all devices. On the loop's thread.
    /// Nothing happens if they stand already.
    package func pause() throws(MachineError) {
        switch phase.withLock({ $0 }) {
        case .made: throw .notRunning
        case .paused: return
        case .running(let threads):
            let vcpus = virtualMachine.vcpus
            let deadline = Clock.monotonic &+ Self.pauseLimit
            guard gate.close(deadline: deadline, kick: { for vcpu in vcpus { vcpu.kick() } }) else {
                throw outcome.result == nil
                    ? .host("a processor does not stop") : .notRunning
            }
            board.pauseDevices()
            phase.withLock { $0 = .paused(threads: threads) }
        }
    }

    /// Ends what ``pause()`` began. On the loop's thread.
    package func resume() throws(MachineError) {
        switch phase.withLock({ $0 }) {
        case .made: throw .notRunning
        case .running: return
        case .paused(let threads):
            do throws(Errno) {
                try board.resumeDevices()
            } catch {
                throw .host("a device cannot go on: \(error)")
            }
            phase.withLock { $0 = .running(threads: threads) }
            gate.open()
        }
    }

    /// Presses Ctrl-Alt-Del on the guest's keyboard; false if the guest does not read it.
    package func pressControlAltDelete() -> Bool { board.keyboard.pressControlAltDelete() }

    /// Accesses of the processors to devices since the start.
    package var busReadings: BusReadings { bus.readings }

    /// Gives a running drive another file, or looks again how large its present one is. The guest
    /// is told.
    package func replaceDisk(ofDrive id: String, path: String) throws(MachineError) {
        try board.replaceDisk(of: id, path: path)
    }

    /// Changes the limits of a running drive.
    package func setLimits(
        ofDrive id: String, _ limits: MachineConfiguration.Limits
    ) throws(MachineError) {
        try board.setLimits(of: id, limits.rates)
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
