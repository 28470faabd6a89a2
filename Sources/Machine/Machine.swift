// SPDX-License-Identifier: Apache-2.0
import Boot
import Bus
import Devices
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
    private let engineReason: String?
    let board: Board
    private let bus: SystemBus
    private let outcome: Outcome
    private let gate: ProcessorGate
    private let phase = Mutex(Phase.made)
    private let processorThreads = Mutex<[ProcessorThread]>([])
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
        do throws(MachineError) {
            let engine = try EngineMaker(
                configuration: configuration, memory: memory, bus: bus
            ).make()
            let board = try Board(configuration, memory, engine.machine, outcome, self.loop)
            do throws(MachineError) {
                try Self.load(configuration, board, bus, engine.machine, memory)
            } catch {
                board.leave()
                throw error
            }
            virtualMachine = engine.machine
            engineReason = engine.reason
            self.board = board
        } catch {
            Self.disconnect(bus, memory)
            throw error
        }
        created = Clock.monotonic
    }

    /// Connects the devices, and puts kernel and first processor where the guest begins.
    private static func load(
        _ configuration: MachineConfiguration, _ board: Board, _ bus: SystemBus,
        _ machine: any VirtualMachine, _ memory: GuestMemory
    ) throws(MachineError) {
        bus.connect(ports: board.ports, memory: board.windows)
        let boot = try BootFiles(configuration).load(devices: board.descriptions, into: memory)
        guard let first = machine.vcpus.first else { throw .cpuCount(0) }
        do throws(EngineError) {
            try first.restore(boot.state)
        } catch {
            throw .host("cannot set the boot processor's registers: \(error)")
        }
    }

    /// The end, as for a machine that could not be made whole.
    deinit {
        board.leave()
        Self.disconnect(bus, memory)
    }

    /// Devices hold lines into the engine, the engine holds the bus, and that the devices; memory
    /// holds the engine that watches it. Here the circles end.
    private static func disconnect(_ bus: SystemBus, _ memory: GuestMemory) {
        bus.connect(ports: AddressSpace(), memory: AddressSpace())
        memory.writeObserver = nil
        memory.pluggable?.observer = nil
    }

    private static func makeMemory(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> GuestMemory {
        let files = try persistentFiles(configuration)
        do throws(MemoryError) {
            return try GuestMemory(
                byteCount: configuration.memoryBytes,
                pluggable: configuration.hotplug.map {
                    PluggableSize(byteCount: $0.byteCount, blockSize: $0.blockSize)
                },
                persistent: files, hugePages: configuration.hugePages.ofMemory,
                prefault: configuration.prefault)
        } catch {
            throw .memory(error)
        }
    }

    private static func persistentFiles(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> [PersistentFile] {
        var files: [PersistentFile] = []
        for pmem in configuration.pmems {
            do throws(PersistentFileError) {
                files.append(try PersistentFile(pmem.path, isReadOnly: pmem.isReadOnly))
            } catch {
                throw .device("pmem \(pmem.id): \(error)")
            }
        }
        return files
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
        let threads = startProcessors(vcpus)
        processorThreads.withLock { $0 = threads }
        phase.withLock { $0 = .running(threads: threads.count) }
        // What the start needed is a few megabytes, and what the guest needs is another part. The
        // guest runs by now: nobody waits for this.
        CurrentProcess.forgetCode()
    }

    /// Waits until nothing of the machine is in use, and says how it ended. Call it once, after the
    /// event loop has stopped.
    package func finish() -> MachineEnd {
        // A loop that somebody else stopped ends the machine too.
        outcome.end(.failed("the event loop ended by itself"))
        for thread in processorThreads.withLock({ $0 }) { thread.join() }
        board.finish()
        return outcome.result ?? .failed("the event loop ended by itself")
    }

    private static func drive(
        _ vcpu: any VirtualCPU, of memory: GuestMemory, on place: Int?, _ outcome: Outcome,
        _ gate: ProcessorGate, confine: () -> Void
    ) {
        if let place {
            do throws(Errno) {
                try Thread.pin(to: place)
            } catch {
                outcome.end(
                    .failed("processor \(vcpu.index) cannot stay on host CPU \(place): \(error)"))
            }
        }
        confine()
        while outcome.result == nil {
            switch vcpu.run() {
            case .interrupted:
                if gate.pass(vcpu.index), !vcpu.tellStopped() { outcome.noteUntold() }
            case .shutdown: outcome.end(.shutdown("triple fault on processor \(vcpu.index)"))
            case .memoryLost(let text):
                outcome.fail(.memoryLost(memory.lostFile?.lossText ?? text))
            case .failed(let text):
                // The kernel's engine cannot say what it missed.
                outcome.fail(memory.lostFile.map { .memoryLost($0.lossText) } ?? .failed(text))
            }
        }
    }

    /// Who executes the guest's instructions.
    package var engine: EngineFinding {
        EngineFinding(kind: virtualMachine.kind, reason: engineReason)
    }

    /// Bytes of stack that a processor's thread may use. The software processor's handlers jump to
    /// one another; were they calls, a quantum of them would still fit.
    private static var processorStack: Int { 4 << 20 }

    /// Makes the threads of the processors; how many there are.
    ///
    /// No guest runs before all threads are confined. A thread has the limits of the one that makes
    /// it, so the loop, on whose thread this runs, takes its own last.
    private func startProcessors(_ vcpus: [any VirtualCPU]) -> [ProcessorThread] {
        let confine = configuration.confine
        let places = configuration.affinity
        let outcome = outcome
        let gate = gate
        let memory = memory
        let walls = Mutex(())
        return walls.withLock { _ in
            do throws(Errno) {
                try board.startThreads(confine: confine)
            } catch {
                outcome.end(.failed("no thread for a device: \(error)"))
            }
            var threads: [ProcessorThread] = []
            for vcpu in vcpus {
                let place = places.indices.contains(vcpu.index) ? places[vcpu.index] : nil
                do throws(Errno) {
                    let thread = try Thread(
                        name: "fc_vcpu \(vcpu.index)", stackSize: Self.processorStack
                    ) {
                        Self.drive(vcpu, of: memory, on: place, outcome, gate) {
                            confine(.vcpu)
                            walls.withLock { _ in }
                        }
                    }
                    threads.append(ProcessorThread(thread))
                } catch {
                    outcome.end(.failed("no thread for a processor: \(error)"))
                }
            }
            confine(.loop)
            // Asked by another thread, the kernel knows what this one has used up to its clock's last
            // tick only, or up to where it asked itself. From here on the guest runs.
            _ = Clock.processCPU
            return threads
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

    /// Presses the power button, which a guest hears that uses ACPI.
    package func pressPowerButton() { board.power.pressPowerButton() }

    /// Accesses of the processors to devices since the start.
    package var busReadings: BusReadings { bus.readings }

    /// How many processors ended because they could not go on.
    package var failedProcessors: UInt64 { outcome.failedProcessors }

    /// How often a processor's guest could not be told that it had been paused.
    package var untoldPauses: UInt64 { outcome.untoldPauses }

    /// Gives a running drive another file, or looks again how large its present one is. The guest
    /// is told.
    package func replaceDisk(ofDrive id: String, path: String) throws(MachineError) {
        try board.replaceDisk(of: id, path: path)
    }

    /// Changes the limits of a running network interface; nil leaves them as they are.
    package func setLimits(
        ofNetwork id: String, receive: MachineConfiguration.Limits?,
        transmit: MachineConfiguration.Limits?
    ) throws(MachineError) {
        try board.setLimits(ofNetwork: id, receive: receive?.rates, transmit: transmit?.rates)
    }

    /// Changes the limits of a running persistent memory.
    package func setLimits(
        ofPmem id: String, _ limits: MachineConfiguration.Limits
    ) throws(MachineError) {
        try board.setLimits(ofPmem: id, limits.rates)
    }

    /// Changes the limits of the running source of random bytes; false if there is none, or none that
    /// was made with limits.
    package func setEntropyLimits(_ limits: MachineConfiguration.Limits) -> Bool {
        board.entropy?.withDevice { $0.setLimits(limits.rates) } ?? false
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
        if let entry = virtualMachine.userEntry {
            timeline.userEntry = entry.time
            timeline.userEntryInstructions = entry.instructions
        }
        if let mark = board.mark.moment {
            timeline.bootTimer = mark.time
            timeline.bootTimerProcessorTime = mark.processorTime
            timeline.bootTimerInstructions = mark.instructions
        }
        for vcpu in virtualMachine.vcpus {
            if let retired = vcpu.retiredInstructions {
                timeline.instructions = (timeline.instructions ?? 0) &+ retired
            }
            timeline.exits &+= vcpu.exitCount
            timeline.completed.merge(vcpu.completedInstructions, uniquingKeysWith: &+)
        }
        return timeline
    }
}
