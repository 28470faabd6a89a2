// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine
import Synchronization

/// One run of the monitor: the event loop with the API and the devices, and what surrounds it.
final class Session: Sendable {
    private let arguments: MonitorArguments
    /// What the process has used so far, taken by the thread that may ask.
    private let processorTime: UInt64
    private let product: String
    private let config: VMConfig?
    private let walls: Walls
    private let loop: EventLoop
    private let logger: Logger
    private let host: MonitorHost
    private let answerer: APIAnswerer
    private let server = Mutex<APIServer?>(nil)

    /// Reads what the arguments name; nothing has been started after this.
    init(_ arguments: MonitorArguments, product: String) throws(Monitor.Refusal) {
        self.arguments = arguments
        self.product = product
        let file = try Self.configuration(arguments.configPath)
        config = file?.config
        walls = try Self.makeWalls(arguments, config, text: file?.text)
        let metrics = Metrics()
        // Whoever reads the report reads no log.
        logger = Logger(
            id: arguments.identifier, isSilent: config?.swiftlet.report != nil, metrics: metrics)
        do throws(Errno) {
            try logger.apply(arguments.logger)
        } catch {
            throw Monitor.Refusal(
                "the log \(arguments.logger.path ?? "") cannot be opened: \(error)",
                Monitor.ExitStatus.failure)
        }
        logger.log(.info, Self.greeting(product))
        do throws(Errno) {
            loop = try EventLoop()
        } catch {
            throw Monitor.Refusal("cannot make an event loop: \(error)", Monitor.ExitStatus.failure)
        }
        let writer = MetricsWriter(
            id: arguments.identifier, metrics, seconds: arguments.metricsInterval)
        let metadata = Metadata(limit: arguments.metadataLimit)
        host = MonitorHost(arguments, loop, logger, writer, metadata, walls)
        try Self.fill(metadata, arguments.metadataPath)
        let instance = InstanceInfo(
            id: arguments.identifier, version: Version.api, application: product)
        processorTime = Clock.processCPU
        answerer = APIAnswerer(
            Controller(instance, metadata: metadata, host: host),
            payloadLimit: arguments.payloadLimit, product: product, logger: logger,
            metrics: metrics)
        if arguments.metadataPath != nil {
            logger.log(.info, "Successfully added metadata to mmds from file")
        }
    }

    private static func greeting(_ product: String) -> String {
        let own = product == "Firecracker" ? "" : " (\(product) v\(Version.current))"
        return "Running Firecracker v\(Version.api)\(own)"
    }

    /// Leaves behind what the process was started with. Before anything else is opened.
    private static func makeWalls(
        _ arguments: MonitorArguments, _ config: VMConfig?, text: JSON?
    ) throws(Monitor.Refusal) -> Walls {
        do throws(Walls.Failure) {
            let walls = try Walls(arguments)
            try walls.enclose(arguments, config, text: text)
            return walls
        } catch {
            throw Monitor.Refusal(error.message)
        }
    }

    // MARK: Files

    /// What the file says, and its text.
    private static func configuration(
        _ path: String?
    ) throws(Monitor.Refusal) -> (config: VMConfig, text: JSON)? {
        guard let path else { return nil }
        let text: JSON
        var config: VMConfig
        do throws(JSONError) {
            text = try JSONParser.parse(try contents(of: path, "configuration file"))
            config = try VMConfig(json: text)
        } catch {
            throw Monitor.Refusal("configuration file \(path): \(error)")
        }
        if case .file(let path) = config.cpu {
            do throws(JSONError) {
                let bytes = try contents(of: path, "processor configuration")
                config.cpu = .here(try CPUConfig(json: try JSONParser.parse(bytes)))
            } catch {
                throw Monitor.Refusal("processor configuration \(path): \(error)")
            }
        }
        return (config, text)
    }

    private static func fill(
        _ metadata: Metadata, _ path: String?
    ) throws(Monitor.Refusal) {
        guard let path else { return }
        let tree: JSON
        do throws(JSONError) {
            tree = try JSONParser.parse(try contents(of: path, "metadata file"))
        } catch {
            throw Monitor.Refusal("metadata file \(path): \(error)")
        }
        do throws(MetadataStore.Fault) {
            try metadata.withStore { store throws(MetadataStore.Fault) in try store.put(tree) }
        } catch {
            throw Monitor.Refusal("metadata file \(path): \(error.message)")
        }
    }

    /// All bytes of a file; why it cannot be read is said as a fault of its text.
    private static func contents(of path: String, _ what: String) throws(JSONError) -> [UInt8] {
        do throws(Errno) {
            if let bytes = try FileSystem.contents(of: path, limit: JSONParser.byteLimit) {
                return bytes
            }
        } catch {
            throw JSONError(.invalid("cannot be read: \(error)"), at: nil)
        }
        throw JSONError(.tooLong(JSONParser.byteLimit), at: nil)
    }

    // MARK: Running

    /// How long the loop may take to end after a signal, in seconds.
    private static var patience: CInt { 3 }

    /// Runs the event loop and heeds signals. Never returns once the loop runs: the process ends with
    /// the machine.
    ///
    /// Without an API this thread, which makes all the others, serves the loop and is the one that
    /// signals interrupt. With an API that is another thread's, whose stack and walls are its own, so
    /// this one is there to take them.
    func run() throws(Monitor.Refusal) {
        Signal.pipe.ignore()
        do throws(Errno) {
            // Before any other thread.
            try EndRequest.hold(
                waking: loop, seconds: Self.patience, hungUp: Monitor.ExitStatus.hungUp)
            guard arguments.socketPath != nil else { serve() }
            try walls.watch()
            try Thread(name: "fc_api", stackSize: 4 << 20) {
                self.walls.enter(.setup)
                self.serve()
            }.detach()
        } catch {
            throw Monitor.Refusal("cannot start: \(error)", Monitor.ExitStatus.failure)
        }
        walls.enterAlone()
        EndRequest.serve()
    }

    private static func status(of signal: Signal) -> CInt {
        signal == .hangUp ? Monitor.ExitStatus.hungUp : Monitor.ExitStatus.success
    }

    /// The thread of the event loop.
    private func serve() -> Never {
        do throws(Monitor.Refusal) {
            try begin()
        } catch {
            logger.log(.error, error.message)
            Monitor.complain(error.message)
            end(error.status)
        }
        // All other threads are made, and hold back what this one takes now.
        if arguments.socketPath == nil { EndRequest.admit() }
        while loop.serveOnce(), EndRequest.signal == nil {}
        if let signal = EndRequest.signal { end(halt(signal)) }
        end(finish())
    }

    private func begin() throws(Monitor.Refusal) {
        if let path = arguments.metricsPath {
            do throws(APIFault) {
                try host.configure(MetricsConfig(path: path))
            } catch {
                throw Monitor.Refusal(error.message, Monitor.ExitStatus.failure)
            }
        }
        if let path = arguments.socketPath { try listen(path) }
        guard let config else { return }
        do throws(APIFault) {
            try answerer.start(config)
        } catch {
            throw Monitor.Refusal(error.message)
        }
    }

    private func listen(_ path: String) throws(Monitor.Refusal) {
        do throws(Errno) {
            let new = try APIServer(
                path, loop: loop, answerer: answerer,
                patience: arguments.clientPatience * 1_000_000)
            server.withLock { $0 = new }
        } catch {
            throw Monitor.Refusal(
                "Failed to open the API socket at: \(path). Check that it is not already used."
                    + " (\(error))", Monitor.ExitStatus.failure)
        }
        logger.log(.info, "API server started.")
        reportStart()
    }

    /// How long the start took, if the jailer said when it began.
    private func reportStart() {
        let metrics = host.metrics.metrics
        let now = Clock.monotonic / 1000
        if let start = arguments.startTime {
            metrics.counter("api_server", "process_startup_time_us")?
                .store(now > start ? now - start : 0)
        }
        if let start = arguments.startCPUTime {
            let used = processorTime / 1000
            metrics.counter("api_server", "process_startup_time_cpu_us")?
                .store((used > start ? used - start : 0) &+ (arguments.parentCPUTime ?? 0))
        }
    }

    // MARK: The end

    /// A signal has asked for the end.
    private func halt(_ signal: Signal) -> CInt {
        if signal == .hangUp { host.metrics.metrics.counter("signals", "sighup")?.store(1) }
        host.console?.restore()
        host.report?.writeStopped()
        return Self.status(of: signal)
    }

    /// The machine has ended by itself.
    private func finish() -> CInt {
        guard let machine = host.machine else { return Monitor.ExitStatus.failure }
        // First: a drive that hangs holds up the rest, until a signal's patience ends it all.
        host.console?.restore()
        let end = machine.finish()
        host.report?.write(end)
        // What the guest has said just before its end.
        host.bootClock?.tell()
        switch end {
        case .powerOff, .reset: return Monitor.ExitStatus.success
        case .debugExit(let value): return CInt(value & 0xff)
        case .shutdown(let text): fail("the guest's processor shut down: \(text)")
        case .memoryLost(let text):
            fail(text)
            return Monitor.ExitStatus.memoryLost
        case .failed(let text): fail("the machine failed: \(text)")
        }
        return Monitor.ExitStatus.failure
    }

    private func fail(_ message: String) {
        logger.log(.error, message)
        Monitor.complain(message)
    }

    /// Ends the process. Metrics are written once more, and the sockets go.
    private func end(_ status: CInt) -> Never {
        server.withLock { $0 }?.close()
        host.removeSocket()
        if host.metrics.hasTarget {
            host.refreshMetrics()
            _ = host.metrics.flush()
        }
        if status == 0 {
            logger.log(.info, "Firecracker exiting successfully. exit_code=0")
        } else {
            logger.log(.error, "Firecracker exiting with error. exit_code=\(status)")
        }
        CurrentProcess.exit(status)
    }
}
