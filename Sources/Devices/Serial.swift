// SPDX-License-Identifier: Apache-2.0
import Bus
import Linux
import Synchronization
import Virtio

/// A 16550A serial port, as PC kernels expect it. National Semiconductor PC16550D data sheet.
///
/// Output is buffered, up to a limit, and written by the event loop; a reader that blocks costs
/// bytes, which are counted, and never holds a vCPU; so do bytes above the port's limit, if it has
/// one. Input is only taken from its descriptor as the guest has room for it.
package final class Serial: BusDevice {
    /// The first port of the PC's first one.
    package static let port: UInt64 = 0x3f8
    package static let portCount: UInt64 = 8
    package static let irq: UInt32 = 4

    /// Bytes of output that wait for a slow reader at most.
    package static let outputLimit = 256 << 10
    /// Bytes of input beyond the receive FIFO that wait for the guest at most.
    package static let inputLimit = 4 << 10

    struct Shared {
        var uart = UART()
        var output: [UInt8] = []
        var dropped: UInt64 = 0
        /// A token a byte of output; nil: no limit.
        var limit: TokenBucket?
        var counts = Counts()
        var input: [UInt8] = []
        /// The loop was told that there is output.
        var isFlushing = false

        /// Pays for a byte of output, or counts it as lost. The guest is not told: it would wait.
        mutating func isWithinLimit() -> Bool {
            guard limit != nil else { return true }
            guard limit?.has(1, now: Clock.monotonic) == true else {
                counts.aboveLimit &+= 1
                return false
            }
            limit?.take(1)
            return true
        }
    }

    package struct Counts: Hashable, Sendable {
        package var reads: UInt64 = 0
        package var writes: UInt64 = 0
        /// Bytes of output above the port's limit, which are lost.
        package var aboveLimit: UInt64 = 0
        /// Reads and writes of another width than a register's, which do nothing.
        package var wideReads: UInt64 = 0
        package var wideWrites: UInt64 = 0
        /// Times that the host did not take the output, other than for want of room.
        package var failures: UInt64 = 0
    }

    let shared = Mutex(Shared())
    private let interrupt: @Sendable () -> Void
    private let wake: EventFD
    private let stream: SerialStream
    /// Somebody is to have the guest's bytes.
    private let hasOutput: Bool

    /// - Parameters:
    ///   - output: Where the guest's bytes go; -1 for nowhere, which is no failure.
    ///   - input: Where the guest's input comes from; -1 for none.
    ///   - limit: How much output there may be, a token a byte; what is above it is lost. Nil: no
    ///     limit.
    ///   - interrupt: Pulses IRQ 4.
    package init(
        output: consuming FileDescriptor = FileDescriptor(adopting: -1),
        input: consuming FileDescriptor = FileDescriptor(adopting: -1),
        limit: TokenBucketLimit? = nil,
        interrupt: @escaping @Sendable () -> Void
    ) throws(Errno) {
        self.interrupt = interrupt
        wake = try EventFD()
        hasOutput = output.rawValue >= 0
        stream = SerialStream(output: output, input: input)
        if let limit {
            shared.withLock { $0.limit = TokenBucket(limit, now: Clock.monotonic) }
        }
        Signals.ignoreBrokenPipe()
    }

    // MARK: The host's side

    /// Lets `loop` write the output and read the input. It keeps the port alive until
    /// ``detach()``.
    package func attach(to loop: EventLoop) throws(Errno) {
        try loop.add(wake.descriptor.rawValue, .readable) { _ in
            self.wake.drain()
            self.stream.flush(self, waitingOn: loop)
        }
        stream.startInput(self, on: loop)
        wake.signal()
    }

    /// Ends what ``attach(to:)`` began and writes what can be written.
    package func detach(from loop: EventLoop) {
        loop.remove(wake.descriptor.rawValue)
        stream.stop(loop)
        stream.flush(self, waitingOn: nil)
    }

    /// Writes buffered output as far as that need not wait. When the machine ends.
    package func flush() { stream.flush(self, waitingOn: nil) }

    /// Lets the event loop go on with the output in another turn.
    func flushAgain() { wake.signal() }

    /// Bytes of output lost because the reader was too slow.
    package var droppedBytes: UInt64 { shared.withLock { $0.dropped } }

    /// Bytes that the guest has read and written.
    package var counts: Counts { shared.withLock { $0.counts } }

    /// Gives the guest input, as much as there is room for; answers how many bytes were taken.
    @discardableResult
    package func receive(_ bytes: ArraySlice<UInt8>) -> Int {
        let (taken, edge) = shared.withLock { shared -> (Int, Bool) in
            let taken = min(bytes.count, Self.inputLimit - shared.input.count)
            shared.input += bytes.prefix(taken)
            return (taken, shared.uart.fill(from: &shared.input))
        }
        if edge { interrupt() }
        return taken
    }

    /// Bytes of input that there is room for.
    var inputRoom: Int { shared.withLock { Self.inputLimit - $0.input.count } }

    // MARK: Bus

    package func read(offset: UInt64, size: Int) -> UInt64 {
        guard size == 1 else {
            shared.withLock { $0.counts.wideReads &+= 1 }
            return size >= 8 ? .max : (1 << (UInt64(size) * 8)) - 1
        }
        let (value, edge, hasRoom) = shared.withLock { shared -> (UInt8, Bool, Bool) in
            let value = shared.uart.read(UInt8(truncatingIfNeeded: offset & 7))
            guard offset == 0 else { return (value, shared.uart.takeEdge(), false) }
            shared.counts.reads &+= 1
            let edge = shared.uart.fill(from: &shared.input)
            return (value, edge, shared.input.count < Self.inputLimit / 2)
        }
        if edge { interrupt() }
        if hasRoom { stream.resumeInput(self) }
        return UInt64(value)
    }

    package func write(offset: UInt64, size: Int, value: UInt64) {
        guard size == 1 else { return shared.withLock { $0.counts.wideWrites &+= 1 } }
        let byte = UInt8(truncatingIfNeeded: value)
        let (edge, mustWake) = shared.withLock { shared -> (Bool, Bool) in
            let sent = shared.uart.write(UInt8(truncatingIfNeeded: offset & 7), byte)
            let edge = shared.uart.takeEdge()
            guard sent else { return (edge, false) }
            guard shared.isWithinLimit() else { return (edge, false) }
            shared.counts.writes &+= 1
            guard hasOutput else { return (edge, false) }
            if shared.output.count < Self.outputLimit {
                shared.output.append(byte)
            } else {
                shared.dropped &+= 1
            }
            let mustWake = !shared.isFlushing
            shared.isFlushing = true
            return (edge, mustWake)
        }
        if mustWake { wake.signal() }
        if edge { interrupt() }
    }

    // MARK: Save and restore

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        package var uart: UART
        /// Input that the guest has not seen.
        package var input: [UInt8]
    }

    package func save() -> State {
        shared.withLock { State(uart: $0.uart, input: $0.input) }
    }

    package func restore(_ state: State) throws(RestoreError) {
        guard state.version == State.version else { throw .version(state.version) }
        guard state.input.count <= Self.inputLimit else { throw .value("input") }
        guard state.uart.isPossible else { throw .value("uart") }
        shared.withLock { shared in
            shared.uart = state.uart
            shared.input = state.input
        }
    }
}
