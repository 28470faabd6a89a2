// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Synchronization
import Virtio

/// Counts the pulses of an interrupt wire.
package final class InterruptCounter: Sendable {
    private let pulses = Atomic<Int>(0)

    package init() {}

    package var count: Int { pulses.load(ordering: .acquiring) }
    /// Pulses since last asked.
    package func take() -> Int { pulses.exchange(0, ordering: .acquiring) }
    package var wire: @Sendable () -> Void {
        { self.pulses.add(1, ordering: .acquiringAndReleasing) }
    }
}

/// Plays the guest's driver of one device through its registers and real guest memory, without
/// any engine. What lies beside that memory is looked at when the driver goes.
package final class TestDriver<Device: VirtioDevice & ~Copyable> {
    package let memory: GuestMemory
    package let transport: MMIOTransport<Device>
    package let interrupts = InterruptCounter()
    package var rings: [DriverRing] = []
    /// Memory of its own.
    private let guarded: GuardedMemory?

    /// Rings lie from here on, buffers from ``bufferBase`` on.
    package static var ringBase: UInt64 { 0x1_0000 }
    package static var bufferBase: UInt64 { 0x20_0000 }

    /// - Parameter memory: Somebody else's; nil: 32 MiB of its own.
    package init(_ device: consuming sending Device, memory: GuestMemory? = nil) throws {
        let guarded = memory == nil ? try GuardedMemory.make() : nil
        guard let memory = memory ?? guarded?.memory else { throw GuardedMemory.NoPlace() }
        self.guarded = guarded
        self.memory = memory
        transport = try MMIOTransport(device, memory: memory, interrupt: interrupts.wire)
    }

    /// Drives a device that somebody else has put behind `transport`.
    package init(_ transport: MMIOTransport<Device>, memory: GuestMemory) {
        guarded = nil
        self.memory = memory
        self.transport = transport
    }

    // MARK: Registers

    package func read(_ register: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: transport.read(offset: register, size: 4))
    }

    package func write(_ register: UInt64, _ value: UInt32) {
        transport.write(offset: register, size: 4, value: UInt64(value))
    }

    package var status: DeviceStatus {
        DeviceStatus(rawValue: UInt8(truncatingIfNeeded: read(MMIORegister.status)))
    }

    /// Adds `bit` to the status.
    package func step(_ bit: DeviceStatus) {
        write(MMIORegister.status, UInt32(status.union(bit).rawValue))
    }

    package var offered: FeatureSet {
        write(MMIORegister.deviceFeaturesSelector, 0)
        let low = read(MMIORegister.deviceFeatures)
        write(MMIORegister.deviceFeaturesSelector, 1)
        return FeatureSet(
            rawValue: UInt64(low) | UInt64(read(MMIORegister.deviceFeatures)) << 32)
    }

    package func accept(_ features: FeatureSet) {
        write(MMIORegister.driverFeaturesSelector, 0)
        write(MMIORegister.driverFeatures, UInt32(truncatingIfNeeded: features.rawValue))
        write(MMIORegister.driverFeaturesSelector, 1)
        write(MMIORegister.driverFeatures, UInt32(truncatingIfNeeded: features.rawValue >> 32))
    }

    package func setQueue(_ index: Int, _ state: QueueState) {
        write(MMIORegister.queueSelector, UInt32(index))
        write(MMIORegister.queueSize, UInt32(state.size))
        setAddress(MMIORegister.queueDescriptorsLow, state.descriptors)
        setAddress(MMIORegister.queueDriverLow, state.available)
        setAddress(MMIORegister.queueDeviceLow, state.used)
        write(MMIORegister.queueReady, 1)
    }

    private func setAddress(_ low: UInt64, _ address: GuestAddress) {
        write(low, UInt32(truncatingIfNeeded: address.rawValue))
        write(low + 4, UInt32(truncatingIfNeeded: address.rawValue >> 32))
    }

    // MARK: Steps

    package func reset() { write(MMIORegister.status, 0) }

    /// Up to `FEATURES_OK`.
    package func negotiate(_ features: FeatureSet? = nil) {
        step(.acknowledge)
        step(.driver)
        accept(features ?? offered)
        step(.featuresOK)
    }

    /// Sets up fresh rings for all queues.
    package func setUpQueues() {
        rings = Device.queueSizes.enumerated().map { index, size in
            let base = Self.ringBase + UInt64(index) * DriverRing.stride
            let ring = DriverRing(memory: memory, size: size, base: base)
            setQueue(index, ring.state)
            return ring
        }
    }

    /// From reset to `DRIVER_OK`.
    package func start(_ features: FeatureSet? = nil) {
        reset()
        negotiate(features)
        setUpQueues()
        step(.driverOK)
    }

    /// Notifies the device of queue `index` and lets it serve.
    package func notify(_ index: Int) {
        write(MMIORegister.queueNotify, UInt32(truncatingIfNeeded: index))
        settle()
    }

    /// Lets the device serve what is the event loop's, one turn.
    package func settle() {
        guard transport.isServedByLoop else {
            if isSignalled(transport.notification) { transport.serveNotified() }
            return
        }
        transport.serveNotified()
        transport.serveHost()
    }

    /// Lets the device serve until it holds no chain, for at most two seconds.
    package func drain() {
        let deadline = Clock.monotonic + 2_000_000_000
        settle()
        while transport.chainsInFlight > 0, Clock.monotonic < deadline {
            Thread.yield()
            settle()
        }
    }

    /// Whether the device has nothing more to do by itself: an event loop would sleep.
    package var isQuiet: Bool {
        let host = transport.withDevice { $0.hostEvents }
        return !isSignalled(transport.notification) && !(host.map(isSignalled) ?? false)
    }

    private func isSignalled(_ descriptor: CInt) -> Bool {
        var set = PollSet()
        set.add(descriptor, .readable)
        set.wait(milliseconds: 0)
        return set.isReadable(descriptor)
    }

    /// Acknowledges and answers the interrupt status.
    package func takeInterruptStatus() -> UInt32 {
        let status = read(MMIORegister.interruptStatus)
        write(MMIORegister.interruptAcknowledge, status)
        return status
    }
}
