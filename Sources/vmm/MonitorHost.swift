// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine
import Synchronization

/// What the controller's decisions do: to files, to the log, and to the machine.
final class MonitorHost: MachineHost {
    let logger: Logger
    let metrics: MetricsWriter
    private let loop: EventLoop
    private let arguments: MonitorArguments
    private let metadata: Metadata
    private let walls: Walls
    /// Nil: nobody can ask.
    private let memory: MemoryMeter?
    /// Nil: nobody wants to know.
    let bootClock: BootClock?
    private let state = Mutex(State())

    private struct State {
        var machine: Machine?
        var console: Console?
        var report: ReportWriter?
        /// Where vsock is found, if that is a path.
        var socket: String?
        /// What was opened for the machine's network interfaces before it was made, by their names.
        var links: [String: OpenLink] = [:]
    }

    init(
        _ arguments: MonitorArguments, _ loop: EventLoop, _ logger: Logger,
        _ metrics: MetricsWriter, _ metadata: Metadata, _ walls: Walls
    ) {
        self.walls = walls
        self.arguments = arguments
        self.metadata = metadata
        self.loop = loop
        self.logger = logger
        self.metrics = metrics
        bootClock = arguments.bootTimer ? try? BootClock(loop, logger) : nil
        if arguments.socketPath != nil {
            // Later the file is out of reach.
            memory = try? MemoryMeter()
        } else {
            memory = nil
        }
    }

    /// The machine, once it has been started.
    var machine: Machine? { state.withLock { $0.machine } }
    var console: Console? { state.withLock { $0.console } }
    var report: ReportWriter? { state.withLock { $0.report } }

    /// Takes away the socket of vsock, as the process ends and nothing of the machine goes by itself.
    func removeSocket() {
        let path = state.withLock { $0.socket.take() }
        if let path { UnixSocket.remove(path) }
    }

    // MARK: Files

    func check(_ boot: BootSource) throws(APIFault) {
        if let error = FileSystem.openError(boot.kernelPath, writable: false) {
            throw APIFault(
                "Boot source error: The kernel file cannot be opened: \(error.withNumber)")
        }
        if let path = boot.initrdPath, let error = FileSystem.openError(path, writable: false) {
            throw APIFault(
                "Boot source error: The initrd file cannot be opened due to invalid path or invalid"
                    + " permissions. \(error.withNumber)")
        }
    }

    func checkFile(_ path: String, writable: Bool, _ subject: String) throws(APIFault) {
        if let error = FileSystem.openError(path, writable: writable) {
            throw APIFault(
                "\(subject): Error manipulating the backing file: \(error.withNumber)"
                    + " \(JSONError.printable(path, limit: 256))")
        }
    }

    func attach(_ network: NetworkConfig) throws(APIFault) {
        let device = network.hostDevice
        let (kept, isOurs) = state.withLock { state in
            (state.links[network.id], state.links.values.contains { $0.owns(device) })
        }
        // Nobody may open it twice, and that includes us.
        if let kept, kept.device == device, kept.isOpen { return }
        do throws(TapError) {
            guard !isOurs else { throw .name(device) }
            let link = try OpenLink(device)
            state.withLock { $0.links[network.id] = link }
        } catch {
            throw APIFault(
                "Network config error: Could not create the network device: Open tap device"
                    + " failed: \(error.fault)")
        }
    }

    func configure(_ config: LoggerConfig) throws(APIFault) {
        do throws(Errno) {
            try logger.apply(config)
        } catch {
            throw APIFault("Logger error: Failed to open target file: \(error.withNumber)")
        }
    }

    // MARK: Metrics

    func configure(_ config: MetricsConfig) throws(APIFault) {
        try metrics.configure(config, on: loop) { self.refreshMetrics() }
    }

    func flushMetrics() throws(APIFault) {
        refreshMetrics()
        if let error = metrics.flush() {
            throw APIFault(
                "Internal VMM error: Failed to write metrics: \(error.withNumber)")
        }
    }

    var prometheusText: String {
        refreshMetrics()
        var text = metrics.metrics.prometheusText
        if let share = memory?.share { text.add("swiftlet_process_pss_bytes", "gauge", share) }
        guard let machine else { return text.text }
        let readings = machine.busReadings
        let name = "swiftlet_vcpu_exit_duration_seconds"
        text.declare(name, "histogram")
        for (kind, reading) in readings.byKind {
            text.add(
                histogram: name, label: "kind=\"\(kind)\"", bounds: BusReading.bounds,
                counts: reading.buckets, sum: reading.sum)
        }
        text.add(machine.deviceReadings)
        let timeline = machine.timeline
        if let count = timeline.instructions {
            text.add("swiftlet_guest_instructions_total", "counter", count)
        }
        text.add(
            counter: "swiftlet_completed_instructions_total", label: "opcode",
            counts: timeline.completed)
        return text.text
    }

    /// Brings up to date what the machine counts by itself.
    func refreshMetrics() {
        guard let machine else { return }
        for (name, value) in machine.metadataCounts {
            metrics.metrics.counter("mmds", name)?.store(value)
        }
        let readings = machine.busReadings
        for (kind, reading) in readings.byKind {
            metrics.metrics.counter("vcpu", "exit_" + kind)?.store(reading.count)
            metrics.metrics.storeLatency(
                "vcpu", "exit_\(kind)_agg", least: reading.least / 1000,
                most: reading.most / 1000, sum: reading.sum / 1000)
        }
        metrics.metrics.counter("vcpu", "failures")?.store(machine.failedProcessors)
        metrics.metrics.counter("vcpu", "kvmclock_ctrl_fails")?.store(machine.untoldPauses)
        metrics.metrics.store(machine.deviceReadings)
    }

    // MARK: The machine

    func start(_ config: VMConfig) throws(APIFault) {
        let start = Clock.monotonic
        bootClock?.begin()
        var config = config
        if let engine = arguments.engine { config.swiftlet.engine = engine }
        let console = try Console(config)
        let machine: Machine
        do throws(MachineError) {
            var configuration = MachineConfiguration(
                config, input: console.input, output: console.output)
            configuration.metadata = config.mmds.map { metadataLink($0, config.networks) }
            configuration.links = state.withLock { $0.links }
            configuration.confine = walls.enter
            configuration.memoDirectory = walls.memoDirectory
            if let bootClock { configuration.bootMarked = bootClock.mark }
            machine = try Machine(configuration, loop: loop)
        } catch {
            throw APIFault("\(error)")
        }
        // With an API more files are opened later, by their paths.
        let seclusion =
            arguments.socketPath == nil
            ? Seclusion.enter(config, sharing: walls.areBuiltIn) : nil
        if let warning = seclusion?.warning { logger.log(.warn, warning) }
        if let warning = try seal(config) { logger.log(.warn, warning) }
        do throws(Errno) {
            try console.makeRaw()
            try walls.watch()
        } catch {
            throw APIFault("cannot take the console: \(error)")
        }
        let report = ReportWriter(
            machine, seclusion, descriptor: config.swiftlet.report)
        state.withLock {
            $0 = State(
                machine: machine, console: console, report: report, socket: config.vsock?.path)
        }
        machine.start()
        if metrics.hasTarget {
            // From now on the line has groups for each device.
            refreshMetrics()
            metrics.keepParting()
        }
        logger.log(
            .info,
            "Successfully started microvm that was configured in"
                + " \((Clock.monotonic &- start) / 1000) us.")
        logger.log(machine, config)
    }

    /// Shuts the process in, before it makes a thread; what is to be said of a wall that is missing.
    private func seal(_ config: VMConfig) throws(APIFault) -> String? {
        do throws(Walls.Failure) {
            return try walls.seal(config)
        } catch {
            throw APIFault(error.message)
        }
    }

    /// The service that answers for the metadata's address.
    private func metadataLink(
        _ config: MMDSConfig, _ networks: [NetworkConfig]
    ) -> MachineConfiguration.MetadataLink {
        let tokens = MetadataTokens(
            key: RandomBytes.make(count: 32), id: arguments.identifier)
        let service = MetadataService(config, tokens: tokens, metadata: metadata)
        let noToken = metrics.metrics.counter("mmds", "rx_no_token")
        let invalidToken = metrics.metrics.counter("mmds", "rx_invalid_token")
        let interfaces = networks.indices.filter { config.interfaces.contains(networks[$0].id) }
        return MachineConfiguration.MetadataLink(
            address: config.address.rawValue, interfaces: Set(interfaces)
        ) {
            let box = MetadataBox(MetadataSession(service))
            return { bytes in
                box.session.withLock { session in
                    session.receive(bytes, now: Clock.monotonic / 1_000_000, salt: Self.salt) {
                        ($0 == .noToken ? noToken : invalidToken)?.add()
                    }
                }
            }
        }
    }

    /// Eight bytes that nobody can guess.
    private static func salt() -> UInt64 {
        RandomBytes.make(count: 8).reduce(0) { $0 << 8 | UInt64($1) }
    }

    func pause() throws(APIFault) {
        try timed("pause", "vmm_pause_vm") { machine throws(MachineError) in try machine.pause() }
    }

    func resume() throws(APIFault) {
        try timed("resume", "vmm_resume_vm") { machine throws(MachineError) in
            try machine.resume()
        }
    }

    private func timed(
        _ name: String, _ metric: String, _ body: (Machine) throws(MachineError) -> Void
    ) throws(APIFault) {
        guard let machine else { throw .beforeStart }
        let start = Clock.monotonic
        do throws(MachineError) {
            try body(machine)
        } catch {
            throw APIFault("Internal VMM error: \(error)")
        }
        let time = (Clock.monotonic &- start) / 1000
        metrics.metrics.counter("latencies_us", metric)?.store(time)
        logger.log(.info, "'\(name) vm' VMM action took \(time) us.")
    }

    func sendCtrlAltDel() throws(APIFault) {
        guard let machine else { throw .beforeStart }
        guard machine.pressControlAltDelete() else {
            throw APIFault(
                "Internal VMM error: the guest does not read its keyboard; nothing was sent")
        }
    }

    func pressPowerButton() throws(APIFault) {
        guard let machine else { throw .beforeStart }
        machine.pressPowerButton()
    }
}

/// One connection's state, shared by its answers.
private final class MetadataBox: Sendable {
    let session: Mutex<MetadataSession>
    init(_ session: MetadataSession) { self.session = Mutex(session) }
}

extension BusReadings {
    /// With Firecracker's names.
    var byKind: [(String, BusReading)] {
        [
            ("io_in", portReads), ("io_out", portWrites), ("mmio_read", memoryReads),
            ("mmio_write", memoryWrites),
        ]
    }
}
