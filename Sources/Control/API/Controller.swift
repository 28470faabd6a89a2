// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// The machine's metadata, as the API changes them and the guest reads them.
package final class Metadata: Sendable {
    private let state: Mutex<MetadataStore>

    /// - Parameter limit: Most bytes.
    package init(limit: Int) { state = Mutex(MetadataStore(limit: limit)) }

    /// Looks at the store, or changes it.
    package func withStore<Result: Sendable, Failure: Error>(
        _ body: (inout MetadataStore) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try state.withLock { store throws(Failure) in try body(&store) }
    }
}

/// Answers the requests of the API: what is configured, what may be done when, what comes of it.
///
/// It does no input or output; what reaches outside goes through its ``MachineHost``.
package struct Controller {
    package private(set) var instance: InstanceInfo
    /// Its boot source counts only once ``hasBootSource``.
    package internal(set) var config: VMConfig
    /// Something was set that a snapshot would bring along.
    private var isConfigured = false
    private let metadata: Metadata
    let host: any MachineHost

    package init(_ instance: InstanceInfo, metadata: Metadata, host: any MachineHost) {
        self.instance = instance
        self.metadata = metadata
        self.host = host
        // Empty until it is set: a path that was read is never empty.
        config = VMConfig(bootSource: BootSource(kernelPath: ""), machine: MachineConfig())
    }

    package var hasBootSource: Bool { !config.bootSource.kernelPath.isEmpty }

    /// Takes a whole configuration over, as a file describes it, and starts the machine.
    package mutating func start(_ config: VMConfig) throws(APIFault) {
        if let logger = config.logger { try host.configure(logger) }
        if let metrics = config.metrics { try host.configure(metrics) }
        try host.start(config)
        self.config = config
        instance.state = .running
    }

    /// Answers one request.
    package mutating func answer(_ request: APIRequest) -> HTTPReply {
        do throws(APIFault) {
            if let reply = try answerAnytime(request) { return reply }
            return instance.state == .notStarted
                ? try answerBeforeStart(request) : try answerAfterStart(request)
        } catch {
            return error.reply
        }
    }

    // MARK: At any time

    private func answerAnytime(_ request: APIRequest) throws(APIFault) -> HTTPReply? {
        switch request {
        case .getInstance: return .object(instance.json)
        case .getVersion:
            return .object(.object([("firecracker_version", .string(instance.version))]))
        case .getMachine: return .object(config.machine.json)
        case .getVMConfig: return .object(config.json)
        case .getBalloon:
            guard let balloon = config.balloon else {
                throw APIFault("Balloon config error: No balloon device found.")
            }
            return .object(balloon.json)
        case .getMetrics:
            return HTTPReply(
                .ok, "text/plain; version=0.0.4; charset=utf-8",
                body: Array(host.prometheusText.utf8))
        case .getMMDS:
            // A store that was never put is shown as an empty object.
            let tree = metadata.withStore { $0.tree }
            return .object(tree.flatMap { $0 == .null ? nil : $0 } ?? .object([]))
        case .putMMDS(let tree):
            return try changeMetadata { store throws(MetadataStore.Fault) in try store.put(tree) }
        case .patchMMDS(let patch):
            return try changeMetadata { store throws(MetadataStore.Fault) in
                try store.patch(patch)
            }
        default: return nil
        }
    }

    private func changeMetadata(
        _ body: (inout MetadataStore) throws(MetadataStore.Fault) -> Void
    ) throws(APIFault) -> HTTPReply {
        do throws(MetadataStore.Fault) {
            try metadata.withStore(body)
            return .empty
        } catch {
            guard error == .tooLarge else { throw APIFault("MMDS error: \(error.message)") }
            throw APIFault(
                "MMDS limit exceeded error: \(error.message)", status: .contentTooLarge)
        }
    }

    // MARK: Before the start

    private mutating func answerBeforeStart(_ request: APIRequest) throws(APIFault) -> HTTPReply {
        switch request {
        case .putLogger(let logger):
            try host.configure(logger)
            config.logger = logger
        case .putMetrics(let metrics):
            try host.configure(metrics)
            config.metrics = metrics
        case .putSerial(let serial): config.serial = serial
        case .putCPUConfig(let cpu): config.cpu = .here(cpu)
        case .start: try startConfigured()
        case .loadSnapshot:
            guard !isConfigured else {
                throw APIFault(
                    "Load snapshot error: Loading a microVM snapshot not allowed after configuring"
                        + " boot-specific resources.")
            }
            throw Self.noSnapshots
        default: try set(request)
        }
        return .empty
    }

    private static var noSnapshots: APIFault {
        APIFault(
            "The requested operation is not supported: snapshots are not part of this version yet.")
    }

    private mutating func startConfigured() throws(APIFault) {
        guard hasBootSource else {
            throw APIFault(
                "Start microvm error: Cannot start microvm without kernel configuration.")
        }
        do throws(APIFault) {
            try host.start(config)
        } catch {
            throw APIFault("Start microvm error: \(error.message)", status: error.status)
        }
        instance.state = .running
    }

    /// Sets what a machine is made from.
    private mutating func set(_ request: APIRequest) throws(APIFault) {
        var config = config
        switch request {
        case .putBootSource(let boot):
            try host.check(boot)
            if let fault = boot.fault { throw APIFault(fault) }
            config.bootSource = boot
        case .putMachine, .patchMachine, .putDrive, .putNetwork, .putPmem, .putBalloon,
            .putMMDSConfig:
            try setFitting(request, &config)
        case .putVsock(let vsock): config.vsock = vsock
        case .putEntropy(let entropy): config.entropy = entropy
        case .putMemoryHotplug(let memory): config.memoryHotplug = memory
        default: throw .beforeStart
        }
        self.config = config
        isConfigured = true
    }

    /// Sets what must fit to what else there is.
    private func setFitting(
        _ request: APIRequest, _ config: inout VMConfig
    ) throws(APIFault) {
        switch request {
        case .putDrive(let drive):
            try host.checkFile(drive.path, writable: !drive.isReadOnly, "Drive config error")
        case .putPmem(let pmem):
            try host.checkFile(pmem.path, writable: !pmem.isReadOnly, "Pmem config error")
        default: break
        }
        do throws(ConfigFault) {
            switch request {
            case .putMachine(let machine): try config.set(machine)
            case .patchMachine(let update): try config.set(config.machine.updated(by: update))
            case .putDrive(let drive): try config.insert(drive)
            case .putNetwork(let network): try config.insert(network)
            case .putPmem(let pmem): try config.insert(pmem)
            case .putBalloon(let balloon): try config.set(balloon)
            case .putMMDSConfig(let mmds): try config.set(mmds)
            default: break
            }
        } catch {
            throw APIFault(error)
        }
        // Last, because what it keeps is the machine's.
        if case .putNetwork(let network) = request { try host.attach(network) }
    }

    // MARK: After the start

    private mutating func answerAfterStart(_ request: APIRequest) throws(APIFault) -> HTTPReply {
        switch request {
        case .flushMetrics: try host.flushMetrics()
        case .sendCtrlAltDel: try host.sendCtrlAltDel()
        case .pressPowerButton: try host.pressPowerButton()
        case .pause:
            if instance.state != .paused { try host.pause() }
            instance.state = .paused
        case .resume:
            if instance.state != .running { try host.resume() }
            instance.state = .running
        case .createSnapshot:
            guard instance.state == .paused else {
                throw APIFault("Create snapshot error: the microVM must be paused first.")
            }
            throw Self.noSnapshots
        case .getBalloonStatistics: return .object(try askBalloon(.balloonStatistics))
        case .getHinting: return .object(try askBalloon(.hinting))
        case .getMemoryHotplug:
            guard let memory = config.memoryHotplug else { throw .deviceNotFound }
            var status = try host.ask(.memory)
            // Slots are the host's own affair; it says what was asked for.
            if case .object(let members) = status.value {
                status = JSON(
                    .object(members + [JSON.Member("slot_size_mib", .integer(memory.slotSize))]))
            }
            return .object(status)
        default: try change(request)
        }
        return .empty
    }

    private func askBalloon(_ question: DeviceQuestion) throws(APIFault) -> JSON {
        guard config.balloon != nil else { throw .deviceNotFound }
        return try host.ask(question)
    }
}
