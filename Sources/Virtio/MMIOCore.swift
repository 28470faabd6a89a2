// SPDX-License-Identifier: Apache-2.0
import Memory

/// What the lock of a transport guards: the device, its queues and its registers.
struct MMIOCore<Device: VirtioDevice & ~Copyable>: ~Copyable {
    var device: Device
    var queues: Virtqueues
    var registers: TransportState
    var isPaused = false
    var counts = TransportCounts()
    let queueSizes: [UInt16]
    let offered: FeatureSet
    private let memory: GuestMemory

    init(_ device: consuming Device, memory: GuestMemory) {
        queueSizes = Array(Device.queueSizes.prefix(8))
        offered = device.features.union(.queue)
        self.device = device
        self.memory = memory
        queues = Virtqueues { _ in Virtqueue(idleIn: memory) }
        registers = TransportState(queueSizes: queueSizes)
    }

    // MARK: Serving

    /// Serves the queues whose bits are set and, if asked, the host side. Answers the bits of the
    /// interrupt status that become set.
    mutating func serve(queues mask: UInt32, host: Bool) -> UInt32 {
        guard !isPaused else { return 0 }
        guard registers.status.isLive else {
            // All queues are idle, which break no ring. The host side must run all the same: a
            // descriptor that stays readable would keep the event loop busy.
            if host { try? device.serveHost(&queues) } else { device.serveNobody() }
            return 0
        }
        var place = TransportCounts.hostSide
        do throws(VirtqueueError) {
            for index in 0..<queueSizes.count where mask & 1 << UInt32(index) != 0 {
                counts.notifications[index] &+= 1
                place = index
                try device.serve(&queues, index: index)
            }
            if host {
                counts.hostEvents &+= 1
                place = TransportCounts.hostSide
                try device.serveHost(&queues)
            }
        } catch {
            counts.brokenRings[place] &+= 1
            return breakRing()
        }
        return takeInterrupts()
    }

    /// Takes note of the end of an errand. As ``serve(queues:host:)`` otherwise.
    mutating func finishErrand(_ result: Int) -> UInt32 {
        do throws(VirtqueueError) {
            try device.finishErrand(result, &queues)
        } catch {
            counts.brokenRings[TransportCounts.hostSide] &+= 1
            return breakRing()
        }
        return registers.status.isLive ? takeInterrupts() : 0
    }

    private mutating func takeInterrupts() -> UInt32 {
        var bits: UInt32 = 0
        for index in 0..<queueSizes.count where queues[index].takeInterrupt() { bits = 1 }
        if device.takeConfigurationChange() {
            registers.configurationGeneration &+= 1
            bits |= 2
        }
        return bits
    }

    /// Nothing of the device's touches guest memory once this returns, until it is served again.
    /// Answers the bits of the interrupt status that become set.
    mutating func drain() -> UInt32 {
        device.drain(&queues)
        return registers.status.isLive ? takeInterrupts() : 0
    }

    /// The driver broke a ring: nothing is served until it resets. VIRTIO 1.2, 2.1.1.
    private mutating func breakRing() -> UInt32 {
        device.drain(&queues)
        queues = Self.idleQueues(memory)
        registers.status.insert(.needsReset)
        return registers.status.contains(.driverOK) ? 2 : 0
    }

    // MARK: Status

    mutating func reset() {
        let generation = registers.configurationGeneration
        device.abandon(&queues)
        queues = Self.idleQueues(memory)
        device.reset()
        registers = TransportState(queueSizes: queueSizes)
        registers.configurationGeneration = generation
    }

    private static func idleQueues(_ memory: GuestMemory) -> Virtqueues {
        Virtqueues { _ in Virtqueue(idleIn: memory) }
    }

    /// Steps of the driver, in the order of VIRTIO 1.2, 3.1.1. Bits only ever become set; a step
    /// out of order, or with a reserved bit, is ignored.
    mutating func writeStatus(_ value: UInt32) -> UInt32 {
        let current = registers.status
        let wanted = DeviceStatus(rawValue: UInt8(truncatingIfNeeded: value))
        guard value <= 0xff, wanted.isSubset(of: DeviceStatus.settable.union(.needsReset)),
            current.subtracting(.needsReset).isSubset(of: wanted)
        else { return 0 }
        let new = wanted.subtracting(current)
        if new.contains(.acknowledge) { registers.status.insert(.acknowledge) }
        if new.contains(.driver), registers.status.contains(.acknowledge) {
            registers.status.insert(.driver)
        }
        if new.contains(.failed) { giveUp() }
        if new.contains(.featuresOK), registers.status.isNegotiating,
            accepts(registers.driverFeatures)
        {
            registers.status.insert(.featuresOK)
        }
        if new.contains(.driverOK), registers.status.isConfiguring { return activate() }
        return 0
    }

    /// The driver has given up: what it had made available is nobody's any more, nor does the host side
    /// find a queue to serve.
    private mutating func giveUp() {
        registers.status.insert(.failed)
        device.abandon(&queues)
        queues = Self.idleQueues(memory)
    }

    private func accepts(_ features: FeatureSet) -> Bool {
        features.isSubset(of: offered) && features.contains(.version1)
    }

    private mutating func activate() -> UInt32 {
        registers.status.insert(.driverOK)
        do throws(VirtqueueError) {
            for index in 0..<queueSizes.count { try openQueue(index) }
        } catch {
            counts.failedActivations &+= 1
            return breakRing()
        }
        device.activate(features: registers.driverFeatures)
        return 0
    }

    private mutating func openQueue(_ index: Int) throws(VirtqueueError) {
        let state = registers.queues[index]
        guard state.isReady else { return }
        queues[index] = try Virtqueue(
            state, limit: queueSizes[index], features: registers.driverFeatures, memory: memory)
    }

    // MARK: Save and restore

    func save(interruptStatus: UInt32) -> MMIOState<Device.State> {
        var transport = registers
        transport.interruptStatus = interruptStatus
        for index in 0..<queueSizes.count where queues[index].size > 0 {
            transport.queues[index] = queues[index].position
        }
        return MMIOState(transport: transport, device: device.save())
    }

    mutating func restore(_ state: MMIOState<Device.State>) throws(RestoreError) {
        let transport = state.transport
        guard transport.version == TransportState.version else {
            throw .version(transport.version)
        }
        guard transport.queues.count == queueSizes.count else { throw .value("queues") }
        guard transport.status.isSubset(of: DeviceStatus.settable.union(.needsReset)),
            transport.status.isInOrder
        else { throw .value("status") }
        guard !transport.status.contains(.featuresOK) || accepts(transport.driverFeatures) else {
            throw .value("driverFeatures")
        }
        guard transport.interruptStatus <= 3 else { throw .value("interruptStatus") }
        var restored = Self.idleQueues(memory)
        if transport.status.isLive {
            for index in 0..<queueSizes.count where transport.queues[index].isReady {
                do throws(VirtqueueError) {
                    restored[index] = try Virtqueue(
                        transport.queues[index], limit: queueSizes[index],
                        features: transport.driverFeatures, memory: memory)
                } catch {
                    throw .queue(index, error)
                }
            }
        }
        device.drain(&queues)
        device.reset()
        if transport.status.isLive { device.activate(features: transport.driverFeatures) }
        do throws(RestoreError) {
            try device.restore(state.device)
        } catch {
            reset()
            throw error
        }
        queues = restored
        registers = transport
        isPaused = true
    }
}
