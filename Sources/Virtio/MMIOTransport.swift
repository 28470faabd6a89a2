// SPDX-License-Identifier: Apache-2.0
import Bus
import Linux
import Memory
import Synchronization

/// A virtio device in a window of guest-physical addresses. VIRTIO 1.2, 4.2 (version 2).
///
/// One lock guards device, queues and registers. Notifications and the interrupt registers, which
/// a driver touches for every request, do not wait for it when the event loop serves the device.
/// The interrupt is pulsed with no lock held that a processor waits for.
package final class MMIOTransport<Device: VirtioDevice & ~Copyable>: BusDevice {
    /// Bytes that the window takes on the bus.
    package static var windowSize: UInt64 { 0x1000 }

    let core: Mutex<MMIOCore<Device>>
    let interruptStatus = Atomic<UInt32>(0)
    /// Bit per queue that the event loop has still to serve.
    private let notified = Atomic<UInt32>(0)
    private let queueCount: UInt32
    private let hostEvents: CInt?
    private let kick: EventFD
    private let loop = Mutex<EventLoop?>(nil)
    private let interrupt: @Sendable () -> Void
    private let runsErrands: Bool
    /// Held by the event loop while it serves a device, its errands included, and by whoever must not
    /// meet one. Taken before ``core``, and by no processor.
    private let serving = Mutex(())

    /// - Parameter interrupt: Pulses the device's wire, an edge.
    // Swift 6.3.1's optimizer fails on the specialized form when testing is enabled; this is no hot path.
    @_semantics("optimize.sil.specialize.generic.never")
    package init(
        _ device: consuming sending Device, memory: GuestMemory,
        interrupt: @escaping @Sendable () -> Void
    ) throws(Errno) {
        queueCount = UInt32(min(Device.queueSizes.count, 8))
        hostEvents = device.hostEvents
        kick = try EventFD()
        core = Mutex(MMIOCore(device, memory: memory))
        self.interrupt = interrupt
        runsErrands = Device.Errand.self != NoErrand.self
    }

    // MARK: Threads

    /// Lets `loop` serve the device, or what a vCPU leaves of its queues. The loop keeps the
    /// transport alive until ``detach()``.
    package func attach(to loop: EventLoop) throws(Errno) {
        try loop.add(kick.descriptor.rawValue, .readable) { _ in self.serveNotified() }
        if let hostEvents {
            do throws(Errno) {
                try loop.add(hostEvents, .readable) { _ in self.serveHost() }
            } catch {
                loop.remove(kick.descriptor.rawValue)
                throw error
            }
        }
        self.loop.withLock { $0 = loop }
    }

    /// Ends what ``attach(to:)`` began.
    package func detach() {
        guard let loop = loop.withLock({ $0.take() }) else { return }
        loop.remove(kick.descriptor.rawValue)
        if let hostEvents { loop.remove(hostEvents) }
    }

    /// Touches guest memory no more until ``resume(on:)``, once this returns.
    package func pause() {
        detach()
        serving.withLock { _ in
            core.withLock { core in
                // What this completes is told to the driver after the pause.
                interruptStatus.bitwiseOr(core.drain(), ordering: .releasing)
                core.isPaused = true
            }
        }
    }

    /// Goes on after ``pause()`` or a restore: serves whatever came meanwhile.
    package func resume(on loop: EventLoop) throws(Errno) {
        core.withLock { $0.isPaused = false }
        try attach(to: loop)
        if interruptStatus.load(ordering: .relaxed) != 0 { interrupt() }
        for index in 0..<queueCount { notify(index) }
    }

    /// The descriptor that tells the event loop of a notification, for engines that can signal
    /// it themselves (an ioeventfd).
    package var notification: CInt { kick.descriptor.rawValue }

    /// True if the event loop alone serves the device, false if the notifying vCPU does what one
    /// turn can.
    package var isServedByLoop: Bool { hostEvents != nil }

    private func notify(_ index: UInt32) {
        guard index < queueCount else { return }
        if hostEvents == nil { serve(1 << index) } else { leave(1 << index) }
    }

    /// Leaves queues to the event loop.
    private func leave(_ queues: UInt32) {
        notified.bitwiseOr(queues, ordering: .releasing)
        kick.signal()
    }

    /// Serves the queues that were notified, one turn; all, if the engine did not say which.
    package func serveNotified() {
        kick.drain()
        let queues = notified.exchange(0, ordering: .acquiring)
        runningErrands { serve(queues == 0 ? (1 << queueCount) - 1 : queues) }
    }

    /// Serves the host side.
    package func serveHost() {
        runningErrands { raise { $0.serve(queues: 0, host: true) } }
    }

    /// Calls `serve`, and then does what that has left to be done without the lock.
    private func runningErrands(_ serve: () -> Void) {
        guard runsErrands else { return serve() }
        serving.withLock { _ in
            serve()
            while let errand = core.withLock({ $0.device.errand }) {
                let result = errand.run()
                raise { $0.finishErrand(result) }
            }
        }
    }

    /// Serves `queues` one turn. Whoever gives them work for ever must not hold this thread: a
    /// vCPU is to be stopped, and others of the loop have their turns.
    private func serve(_ queues: UInt32) {
        var isUnfinished = false
        raise { core in
            let bits = core.serve(queues: queues, host: false)
            isUnfinished = core.device.takeUnfinished()
            return bits
        }
        if isUnfinished { leave(queues) }
    }

    /// Sets the bits that `body` answers while the lock still excludes a reset; pulses after it.
    private func raise(_ body: (inout MMIOCore<Device>) -> UInt32) {
        let bits = core.withLock { core in
            let bits = body(&core)
            if bits != 0 {
                interruptStatus.bitwiseOr(bits, ordering: .releasing)
                core.counts.interrupts &+= 1
            }
            return bits
        }
        if bits != 0 { interrupt() }
    }

    // MARK: The device

    /// Looks at the device, or changes what the driver cannot see.
    package func withDevice<Result>(_ body: (inout Device) -> sending Result) -> sending Result {
        core.withLock { core in body(&core.device) }
    }

    /// What has happened to its queues.
    package var counts: TransportCounts { core.withLock { $0.counts } }

    /// Chains that the device has taken and not given back. None, between two calls, unless it
    /// says otherwise.
    package var chainsInFlight: Int {
        core.withLock { core in core.queues.indices.reduce(0) { $0 + core.queues[$1].inFlight } }
    }

    /// Changes the device's configuration space and tells the driver. Nothing is under way while
    /// `change` runs; if it throws it has changed nothing.
    package func updateConfiguration<Failure>(
        _ change: (inout Device) throws(Failure) -> Void
    ) throws(Failure) {
        // Even a change that fails may have completed chains first.
        defer { if interruptStatus.load(ordering: .acquiring) != 0 { interrupt() } }
        try serving.withLock { _ throws(Failure) in
            try core.withLock { core throws(Failure) in
                interruptStatus.bitwiseOr(core.drain(), ordering: .releasing)
                try change(&core.device)
                core.counts.configurationChanges &+= 1
                core.registers.configurationGeneration &+= 1
                if core.registers.status.isLive {
                    interruptStatus.bitwiseOr(2, ordering: .releasing)
                }
            }
        }
    }

    /// State of transport and device. The machine is paused, so nothing moves.
    package func save() -> MMIOState<Device.State> {
        let interrupts = interruptStatus.load(ordering: .relaxed)
        return core.withLock { $0.save(interruptStatus: interrupts) }
    }

    /// Takes a saved state over; stays paused until ``resume(on:)``.
    ///
    /// Wrong registers or queues change nothing; a wrong device state leaves a reset device.
    package func restore(_ state: MMIOState<Device.State>) throws(RestoreError) {
        try core.withLock { core throws(RestoreError) in try core.restore(state) }
        interruptStatus.store(state.transport.interruptStatus, ordering: .relaxed)
        notified.store(0, ordering: .relaxed)
    }

    // MARK: Bus

    package func read(offset: UInt64, size: Int) -> UInt64 {
        if offset >= MMIORegister.configuration {
            return core.withLock { $0.readConfiguration(offset: offset, size: size) }
        }
        // Registers are 32 bits wide and accessed as such. VIRTIO 1.2, 4.2.2.2.
        guard size == 4, offset & 3 == 0 else { return 0 }
        if offset == MMIORegister.interruptStatus {
            return UInt64(interruptStatus.load(ordering: .acquiring))
        }
        return UInt64(core.withLock { $0.readRegister(offset) })
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        if offset >= MMIORegister.configuration {
            core.withLock { $0.writeConfiguration(offset: offset, size: size, value: value) }
            return
        }
        guard size == 4, offset & 3 == 0 else { return }
        let value = UInt32(truncatingIfNeeded: value)
        switch offset {
        case MMIORegister.queueNotify:
            notify(value)
        case MMIORegister.interruptAcknowledge:
            interruptStatus.bitwiseAnd(~value, ordering: .acquiringAndReleasing)
        case MMIORegister.status:
            writeStatus(value)
        default:
            core.withLock { $0.writeRegister(offset, value) }
        }
    }

    private func writeStatus(_ value: UInt32) {
        var isUnfinished = false
        if value == 0 {
            core.withLock { core in
                core.reset()
                isUnfinished = core.device.takeUnfinished()
                interruptStatus.store(0, ordering: .relaxed)
                notified.store(0, ordering: .relaxed)
            }
        } else {
            raise { core in
                let bits = core.writeStatus(value)
                isUnfinished = core.device.takeUnfinished()
                return bits
            }
        }
        if isUnfinished { leave(1) }
    }
}
