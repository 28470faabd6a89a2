// SPDX-License-Identifier: Apache-2.0
import Boot
import Bus
import Devices
import Hypervisor
import Linux
import Memory
import Synchronization
import Virtio

/// The devices of a machine, made once from its configuration, and where each of them sits.
final class Board: Sendable {
    /// When and after how many instructions the guest said that it had come up.
    struct BootMark: Sendable {
        let time: UInt64
        let instructions: UInt64
    }

    let ports: AddressSpace
    let windows: AddressSpace
    /// The virtio windows, for the tables that the guest reads.
    let descriptions: [MMIODevice]
    private let serial: Serial
    private let loop: EventLoop
    private let mark: Mark

    private final class Mark: Sendable {
        let value = Mutex<BootMark?>(nil)
    }

    var bootMark: BootMark? { mark.value.withLock { $0 } }

    init(
        _ configuration: MachineConfiguration, _ memory: GuestMemory,
        _ machine: any VirtualMachine, _ outcome: Outcome, _ loop: EventLoop
    ) throws(MachineError) {
        self.loop = loop
        var layout = Layout(memory: memory, machine: machine, loop: loop)
        mark = Mark()
        do throws(Errno) {
            serial = try Self.makeSerial(configuration, machine)
            try serial.attach(to: loop)
        } catch {
            throw .device("the serial console cannot be used: \(error)")
        }
        try layout.addPorts(serial, at: Serial.port, count: Serial.portCount)
        try layout.addKeyboard(outcome)
        try layout.addPower(outcome)
        if configuration.debugExit {
            let exit = DebugExit { outcome.end(.debugExit($0)) }
            try layout.addPorts(exit, at: DebugExit.port, count: DebugExit.portCount)
        }
        let mark = mark
        let timer = BootTimer { time in
            let retired = machine.vcpus.reduce(UInt64(0)) { $0 &+ ($1.retiredInstructions ?? 0) }
            mark.value.withLock { value in
                if value == nil { value = BootMark(time: time, instructions: retired) }
            }
        }
        try layout.addWindow(timer, at: BootTimer.base, count: BootTimer.windowSize)
        // The host's random numbers would make two runs differ; the guest has its seed.
        if configuration.entropy, !configuration.deterministic {
            try layout.addVirtio(Entropy())
        }
        if let vsock = configuration.vsock {
            try layout.addVirtio(Self.makeVsock(vsock))
        }
        ports = layout.ports
        windows = layout.windows
        descriptions = layout.descriptions
    }

    private static func makeSerial(
        _ configuration: MachineConfiguration, _ machine: any VirtualMachine
    ) throws(Errno) -> Serial {
        let line = machine.interruptLine(gsi: BootLayout.serialGSI)
        let output = try duplicate(configuration.serialOutput)
        let input = try duplicate(configuration.serialInput)
        return try Serial(output: output, input: input) { line.pulse() }
    }

    private static func makeVsock(
        _ vsock: MachineConfiguration.Vsock
    ) throws(MachineError) -> sending Vsock {
        do throws(VsockError) {
            return try Vsock(guestCID: vsock.cid, path: vsock.path)
        } catch {
            throw .device("vsock: \(error)")
        }
    }

    /// The device closes what it is given; the caller's descriptor stays open.
    private static func duplicate(_ descriptor: CInt?) throws(Errno) -> FileDescriptor {
        guard let descriptor else { return FileDescriptor(adopting: -1) }
        return try FileDescriptor.duplicating(descriptor)
    }

    /// Writes out what devices still hold.
    func finish() { serial.detach(from: loop) }
}

/// Places devices on the buses, one window and one interrupt after the other.
private struct Layout: ~Copyable {
    let memory: GuestMemory
    let machine: any VirtualMachine
    let loop: EventLoop
    var ports = AddressSpace()
    var windows = AddressSpace()
    var descriptions: [MMIODevice] = []

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

    mutating func addKeyboard(_ outcome: Outcome) throws(MachineError) {
        let line = machine.interruptLine(gsi: BootLayout.keyboardGSI)
        let keyboard = I8042(interrupt: { line.pulse() }, reset: { outcome.end(.reset) })
        try addPorts(keyboard.data, at: I8042.dataPort, count: 1)
        try addPorts(keyboard.command, at: I8042.commandPort, count: 1)
    }

    mutating func addPower(_ outcome: Outcome) throws(MachineError) {
        let line = machine.interruptLine(gsi: BootLayout.powerButtonGSI)
        let power = PowerControl(
            interrupt: { line.pulse() },
            requested: { outcome.end($0 == .powerOff ? .powerOff : .reset) })
        try addPorts(power, at: UInt64(BootLayout.sleepControlPort), count: PowerControl.windowSize)
    }

    mutating func addVirtio<Device: VirtioDevice & ~Copyable>(
        _ device: consuming sending Device
    ) throws(MachineError) where Device.State: Sendable {
        let index = UInt64(descriptions.count)
        let base = BootTimer.base + BootTimer.windowSize + index * 0x1000
        let gsi = BootLayout.deviceGSIs.lowerBound + UInt32(index)
        let line = machine.interruptLine(gsi: gsi)
        let transport: MMIOTransport<Device>
        do throws(Errno) {
            transport = try MMIOTransport(device, memory: memory) { line.pulse() }
            try transport.attach(to: loop)
        } catch {
            throw .device("a virtio device cannot be made: \(error)")
        }
        if transport.isServedByLoop {
            _ = machine.signalOnWrite(
                to: GuestAddress(base + MMIORegister.queueNotify),
                descriptor: transport.notification)
        }
        try addWindow(transport, at: base, count: MMIOTransport<Device>.windowSize)
        descriptions.append(MMIODevice(base: base, gsi: gsi))
    }
}
