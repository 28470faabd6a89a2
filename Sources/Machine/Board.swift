// SPDX-License-Identifier: Apache-2.0
import Boot
import Bus
import Devices
import Hypervisor
import Linux
import Memory
import Virtio

/// The devices of a machine, made once from its configuration, and where each of them sits.
final class Board: Sendable {
    let ports: AddressSpace
    let windows: AddressSpace
    /// The virtio windows, for the tables that the guest reads.
    let descriptions: [MMIODevice]
    /// What is in each of them.
    let kinds: [DeviceID]
    let keyboard: I8042
    let power: PowerControl
    /// Where the guest finds its metadata.
    let metadata: [MetadataEndpoint]
    /// The devices for memory, if the machine has them.
    let balloon: MMIOTransport<Balloon>?
    let hotplug: MMIOTransport<MemoryDevice>?
    let entropy: MMIOTransport<Entropy>?
    let vsock: MMIOTransport<Vsock>?
    let serial: Serial
    let drives: [String: MMIOTransport<Block>]
    let networks: [String: MMIOTransport<Net>]
    private let attachments: [Attachment]
    let pmems: [String: MMIOTransport<Pmem>]
    private let loop: EventLoop
    let mark = BootMark()

    /// Starts the threads of devices that have their own; each begins with `confine`.
    func startThreads(confine: @escaping @Sendable (ThreadRole) -> Void) throws(Errno) {
        for attachment in attachments { try attachment.thread?.start(confine: confine) }
    }

    init(
        _ configuration: MachineConfiguration, _ memory: GuestMemory,
        _ machine: any VirtualMachine, _ outcome: Outcome, _ loop: EventLoop
    ) throws(MachineError) {
        self.loop = loop
        var layout = Layout(memory: memory, machine: machine, loop: loop)
        do throws(Errno) {
            serial = try Self.makeSerial(configuration, machine)
            try serial.attach(to: loop)
        } catch {
            throw .device("the serial console cannot be used: \(error)")
        }
        // The loop keeps what is attached to it, and what a loop keeps is never gone by itself.
        do throws(MachineError) {
            try layout.addPorts(serial, at: Serial.port, count: Serial.portCount)
            keyboard = try layout.addKeyboard(outcome)
            power = try layout.addPower(outcome)
            if configuration.debugExit {
                let exit = DebugExit { outcome.end(.debugExit($0)) }
                try layout.addPorts(exit, at: DebugExit.port, count: DebugExit.portCount)
            }
            let mark = mark
            let marked = configuration.bootMarked
            let timer = BootTimer { time in
                let counts = machine.vcpus.compactMap(\.retiredInstructions)
                let retired = counts.isEmpty ? nil : counts.reduce(0, &+)
                if let first = mark.note(time, instructions: retired) {
                    marked(first.time, first.processorTime)
                }
            }
            try layout.addWindow(timer, at: BootTimer.base, count: BootTimer.windowSize)
            // The host's random numbers would make two runs differ; the guest has its seed.
            entropy =
                configuration.entropy && !configuration.deterministic
                ? try layout.addVirtio(Self.makeEntropy(configuration.entropyLimits)) : nil
            if let wish = configuration.vsock {
                vsock = try layout.addVirtio(Self.makeVsock(wish))
            } else {
                vsock = nil
            }
            balloon = try layout.addBalloon(configuration.balloon)
            hotplug = try layout.addHotplug(configuration.hotplug)
            drives = try layout.addDrives(configuration)
            networks = try layout.addNetworks(configuration)
            pmems = try layout.addPmems(configuration)
        } catch {
            serial.detach(from: loop)
            for attachment in layout.attachments { attachment.pause() }
            throw error
        }
        metadata = layout.endpoints
        ports = layout.ports
        windows = layout.windows
        descriptions = layout.descriptions
        kinds = layout.kinds
        attachments = layout.attachments
    }

    private static func makeSerial(
        _ configuration: MachineConfiguration, _ machine: any VirtualMachine
    ) throws(Errno) -> Serial {
        let line = machine.interruptLine(gsi: BootLayout.serialGSI)
        // The device closes what it is given; the caller's descriptors stay open.
        let output = try descriptor(configuration.serialOutput) { raw throws(Errno) in
            try FileDescriptor.forOutput(raw)
        }
        let input = try descriptor(configuration.serialInput) { raw throws(Errno) in
            try FileDescriptor.duplicating(raw)
        }
        return try Serial(
            output: output, input: input, limit: configuration.serialLimit?.limit
        ) { line.pulse() }
    }

    private static func makeEntropy(
        _ limits: MachineConfiguration.Limits?
    ) throws(MachineError) -> sending Entropy {
        guard let limits else { return Entropy() }
        do throws(Errno) {
            return try Entropy(limits.rates)
        } catch {
            throw .device("entropy: \(error)")
        }
    }

    private static func makeVsock(
        _ vsock: MachineConfiguration.Vsock
    ) throws(MachineError) -> sending Vsock {
        do throws(VsockError) {
            return try Vsock(guestCID: vsock.cid, path: vsock.path, reserve: vsock.reserve)
        } catch {
            throw .device("vsock: \(error)")
        }
    }

    /// -1: nobody there.
    private static func descriptor(
        _ raw: CInt?, _ open: (CInt) throws(Errno) -> FileDescriptor
    ) throws(Errno) -> FileDescriptor {
        guard let raw else { return FileDescriptor(adopting: -1) }
        return try open(raw)
    }

    /// Writes out what devices still hold, and ends their threads.
    func finish() {
        serial.detach(from: loop)
        for attachment in attachments where attachment.thread != nil { attachment.pause() }
        for attachment in attachments { attachment.thread?.stop() }
    }

    /// Takes all devices from the loops that serve them. When the machine ends.
    func leave() {
        for attachment in attachments where attachment.thread == nil { attachment.pause() }
        finish()
    }

    /// Once this returns no virtio device touches guest memory, and none has a request under way.
    func pauseDevices() {
        for attachment in attachments { attachment.pause() }
    }

    /// Lets virtio devices go on, with whatever came meanwhile.
    func resumeDevices() throws(Errno) {
        for attachment in attachments { try attachment.resume() }
    }

    /// Changes a running drive: another file, or the size of the present one anew.
    func replaceDisk(of id: String, path: String) throws(MachineError) {
        guard let drive = drives[id] else { throw .device("there is no drive \(id)") }
        do throws(BlockError) {
            try drive.updateConfiguration { device throws(BlockError) in
                try device.replaceDisk(path: path)
            }
        } catch {
            throw .device("drive \(id): \(error)")
        }
    }

    /// Changes the limits of a running network interface; nil leaves them as they are.
    func setLimits(
        ofNetwork id: String, receive: RateLimits?, transmit: RateLimits?
    ) throws(MachineError) {
        guard let network = networks[id] else { throw .device("there is no network \(id)") }
        network.withDevice { $0.setLimits(receive: receive, transmit: transmit) }
    }

    /// Changes the limits of a running persistent memory.
    func setLimits(ofPmem id: String, _ limits: RateLimits) throws(MachineError) {
        guard let pmem = pmems[id] else { throw .device("there is no pmem \(id)") }
        pmem.withDevice { $0.setLimits(limits) }
    }

    /// Changes the limits of a running drive.
    func setLimits(of id: String, _ limits: RateLimits) throws(MachineError) {
        guard let drive = drives[id] else { throw .device("there is no drive \(id)") }
        drive.withDevice { $0.setLimits(limits) }
    }
}

/// Places devices on the buses, one window and one interrupt after the other.
struct Layout: ~Copyable {
    let memory: GuestMemory
    let machine: any VirtualMachine
    let loop: EventLoop
    var ports = AddressSpace()
    var windows = AddressSpace()
    var descriptions: [MMIODevice] = []
    var kinds: [DeviceID] = []
    var attachments: [Attachment] = []
    /// Where the guest finds its metadata.
    var endpoints: [MetadataEndpoint] = []

    init(memory: GuestMemory, machine: any VirtualMachine, loop: EventLoop) {
        self.memory = memory
        self.machine = machine
        self.loop = loop
    }

    mutating func addPorts(
        _ device: any BusDevice, at base: UInt64, count: UInt64
    ) throws(MachineError) {
        do throws(BusError) {
            try ports.insert(device, at: AddressRange(base: base, count: count))
        } catch {
            throw .device("ports: \(error)")
        }
    }

    mutating func addWindow(
        _ device: any BusDevice, at base: UInt64, count: UInt64
    ) throws(MachineError) {
        do throws(BusError) {
            try windows.insert(device, at: AddressRange(base: base, count: count))
        } catch {
            throw .device("memory-mapped devices: \(error)")
        }
    }

    mutating func addKeyboard(_ outcome: Outcome) throws(MachineError) -> I8042 {
        let line = machine.interruptLine(gsi: BootLayout.keyboardGSI)
        let keyboard = I8042(interrupt: { line.pulse() }, reset: { outcome.end(.reset) })
        try addPorts(keyboard.data, at: I8042.dataPort, count: 1)
        try addPorts(keyboard.command, at: I8042.commandPort, count: 1)
        return keyboard
    }

    mutating func addPower(_ outcome: Outcome) throws(MachineError) -> PowerControl {
        let line = machine.interruptLine(gsi: BootLayout.powerButtonGSI)
        let power = PowerControl(
            interrupt: { line.pulse() },
            requested: { outcome.end($0 == .powerOff ? .powerOff : .reset) })
        try addPorts(power, at: UInt64(BootLayout.sleepControlPort), count: PowerControl.windowSize)
        return power
    }

    /// Adds all network interfaces, by name, and where metadata are found on them.
    mutating func addNetworks(
        _ configuration: MachineConfiguration
    ) throws(MachineError) -> [String: MMIOTransport<Net>] {
        var networks: [String: MMIOTransport<Net>] = [:]
        for (index, network) in configuration.networks.enumerated() {
            let link = configuration.metadata.flatMap { $0.interfaces.contains(index) ? $0 : nil }
            let endpoint = link.map { network.makeEndpoint($0) }
            if let endpoint { endpoints.append(endpoint) }
            networks[network.id] = try addNetwork(
                network, endpoint, on: configuration.links[network.id])
        }
        return networks
    }

    mutating func addNetwork(
        _ network: MachineConfiguration.Network, _ endpoint: MetadataEndpoint?, on link: OpenLink?
    ) throws(MachineError) -> MMIOTransport<Net> {
        let device = try network.makeDevice(endpoint, on: link)
        let thread: DeviceThread
        do throws(Errno) {
            thread = try DeviceThread(name: "net \(network.device)")
        } catch {
            throw .device("network: no thread for \(network.device): \(error)")
        }
        return try addVirtio(device, on: thread)
    }

    mutating func addBalloon(
        _ wish: MachineConfiguration.Balloon?
    ) throws(MachineError) -> MMIOTransport<Balloon>? {
        guard let wish else { return nil }
        guard UInt64(wish.mebibytes) << 20 <= memory.byteCount else {
            throw .device("balloon: \(wish.mebibytes) MiB are more than the guest has")
        }
        var options = BalloonOptions()
        options.deflatesOnOOM = wish.deflatesOnOOM
        options.statisticsInterval = wish.statisticsInterval
        options.hints = wish.hints
        options.reports = wish.reports
        return try addVirtio(try Self.makeBalloon(options, target: wish.mebibytes << 8))
    }

    private static func makeBalloon(
        _ options: BalloonOptions, target: UInt32
    ) throws(MachineError) -> sending Balloon {
        do throws(Errno) {
            return try Balloon(options, target: target)
        } catch {
            throw .device("balloon: \(error)")
        }
    }

    mutating func addHotplug(
        _ wish: MachineConfiguration.Hotplug?
    ) throws(MachineError) -> MMIOTransport<MemoryDevice>? {
        guard let wish, var device = MemoryDevice(memory) else { return nil }
        guard device.setRequested(wish.requested) else {
            throw .device("memory hotplug: \(wish.requested) bytes are no whole blocks of it")
        }
        return try addVirtio(device)
    }

    /// Adds a device that is served on `thread`, or on the machine's loop.
    @discardableResult
    mutating func addVirtio<Device: VirtioDevice & ~Copyable>(
        _ device: consuming sending Device, on thread: DeviceThread? = nil
    ) throws(MachineError) -> MMIOTransport<Device> where Device.State: Sendable {
        let index = UInt64(descriptions.count)
        let base = BootTimer.base + BootTimer.windowSize + index * 0x1000
        let gsi = BootLayout.deviceGSIs.lowerBound + UInt32(index)
        guard BootLayout.deviceGSIs.contains(gsi) else {
            throw .device("a machine has room for \(BootLayout.deviceGSIs.count) virtio devices")
        }
        let line = machine.interruptLine(gsi: gsi)
        let loop = thread?.loop ?? loop
        let transport: MMIOTransport<Device>
        do throws(Errno) {
            transport = try MMIOTransport(device, memory: memory) { line.pulse() }
            try transport.attach(to: thread?.loop ?? loop)
        } catch {
            throw .device("a virtio device cannot be made: \(error)")
        }
        if transport.isServedByLoop {
            _ = machine.signalOnWrite(
                to: GuestAddress(base + MMIORegister.queueNotify),
                descriptor: transport.notification)
        }
        attachments.append(
            Attachment(
                pause: { transport.pause() },
                resume: { () throws(Errno) in try transport.resume(on: loop) }, thread: thread))
        try addWindow(transport, at: base, count: MMIOTransport<Device>.windowSize)
        descriptions.append(MMIODevice(base: base, gsi: gsi))
        kinds.append(Device.id)
        return transport
    }
}
