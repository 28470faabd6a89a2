// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// Says in the log how long the guest took from the request to start it until it said that it was
/// there: Firecracker's `--boot-timer`.
final class BootClock: Sendable {
    /// Nanoseconds since whenever, and what the process has used of processors.
    private struct Reading {
        var time: UInt64 = 0
        var processorTime: UInt64 = 0
    }

    private struct State {
        var start = Reading()
        /// What has not been told yet.
        var mark: Reading?
    }

    private let logger: Logger
    private let event: EventFD
    private let state = Mutex(State())

    init(_ loop: EventLoop, _ logger: Logger) throws(Errno) {
        self.logger = logger
        event = try EventFD()
        try loop.add(event.descriptor.rawValue, .readable) { _ in
            self.event.drain()
            self.tell()
        }
    }

    /// The machine is about to be made.
    func begin() {
        let now = Reading(time: Clock.monotonic, processorTime: Clock.processCPU)
        state.withLock { $0.start = now }
    }

    /// The guest says that it is there. On the thread of a processor, which may not write the log.
    func mark(time: UInt64, processorTime: UInt64) {
        state.withLock { $0.mark = Reading(time: time, processorTime: processorTime) }
        event.signal()
    }

    /// Tells what there is to be told.
    func tell() {
        let told = state.withLock { state -> (time: UInt64, processorTime: UInt64)? in
            guard let mark = state.mark.take() else { return nil }
            return (
                (mark.time &- state.start.time) / 1000,
                (mark.processorTime &- state.start.processorTime) / 1000
            )
        }
        guard let told else { return }
        logger.log(
            .info,
            "Guest-boot-time = \(Self.padded(told.time)) us \(told.time / 1000) ms,"
                + " \(Self.padded(told.processorTime)) CPU us \(told.processorTime / 1000) CPU ms")
    }

    private static func padded(_ number: UInt64) -> String {
        let text = "\(number)"
        return String(repeating: " ", count: max(0, 6 - text.utf8.count)) + text
    }
}
