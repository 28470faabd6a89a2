// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// Writes the metrics, a line now and then and when asked.
final class MetricsWriter: Sendable {
    private final class Target: Sendable {
        let config: MetricsConfig
        let file: FileDescriptor
        let timer: Timer
        /// What was written last lacks its end.
        let isCut = Atomic(false)

        init(_ config: MetricsConfig) throws(Errno) {
            self.config = config
            file = try FileSystem.openLog(config.path)
            timer = try Timer()
        }

        /// `line` as it is to be written, so that half a line spoils none but itself.
        func whole(_ line: [UInt8]) -> [UInt8] {
            isCut.load(ordering: .relaxed) ? [0x0a] + line : line
        }
    }

    let metrics: Metrics
    private let id: String
    private let target = Mutex<Target?>(nil)
    /// Nanoseconds between two lines.
    private let period: UInt64

    /// - Parameter seconds: Between two lines, at most a day.
    init(id: String, _ metrics: Metrics, seconds: UInt64) {
        self.metrics = metrics
        self.id = id
        period = seconds * 1_000_000_000
    }

    /// Opens the file, and lets `loop` write a line to it each time; once only. `refresh` brings the
    /// numbers up to date before each.
    func configure(
        _ config: MetricsConfig, on loop: EventLoop, refresh: @escaping @Sendable () -> Void
    ) throws(APIFault) {
        guard target.withLock({ $0 == nil }) else {
            throw APIFault(Self.failure + "Reinitialization of metrics not allowed.")
        }
        do throws(Errno) {
            let new = try Target(config)
            try loop.add(new.timer.descriptor.rawValue, .readable) { _ in
                new.timer.drain()
                refresh()
                _ = self.flush()
            }
            target.withLock { $0 = new }
            keepParting(for: new)
            new.timer.arm(at: Clock.monotonic &+ period, period: period)
        } catch {
            throw APIFault(Self.failure + error.withNumber)
        }
    }

    private static var failure: String {
        "Metrics error: Cannot initialize the metrics system due to bad user input: "
    }

    /// Writes a line if there is a file; why that failed, or nil.
    func flush() -> Errno? {
        guard let target = target.withLock({ $0 }) else { return nil }
        var failure: Errno?
        let next = metrics.flush(
            time: Clock.realtime / 1_000_000, id: target.config.emitsID ? id : nil,
            properties: target.config.properties
        ) { line in
            failure = Self.write(line, to: target)
            return failure == nil
        }
        if failure != nil { metrics.counter("logger", "missed_metrics_count")?.add() }
        keep(next, for: target)
        return failure
    }

    /// Whether anybody reads them.
    var hasTarget: Bool { target.withLock { $0 != nil } }

    /// Leaves a line for the handlers of signals that end the process: what a flush would write now,
    /// and the signal.
    func keepParting() {
        if let target = target.withLock({ $0 }) { keepParting(for: target) }
    }

    private func keepParting(for target: Target) {
        let draft = metrics.draft(
            id: target.config.emitsID ? id : nil, properties: target.config.properties)
        keep(draft, for: target)
    }

    private func keep(_ draft: MetricsDraft, for target: Target) {
        let bytes = target.whole(draft.bytes)
        let shift = bytes.count - draft.bytes.count
        let line = PartingLine(bytes, time: draft.time + shift) { reason in
            draft.digit(reason.group, reason.name).map { $0 + shift } ?? bytes.count
        }
        // Without room there is none, and the process ends all the same.
        try? line.keep(for: target.file.rawValue)
    }

    /// Writes all of `line` without waiting; a reader that is too slow costs the rest of it.
    private static func write(_ line: [UInt8], to target: Target) -> Errno? {
        let line = target.whole(line)
        var rest = line[...]
        defer {
            if let last = line[..<rest.startIndex].last {
                target.isCut.store(last != 0x0a, ordering: .relaxed)
            }
        }
        while !rest.isEmpty {
            do throws(Errno) {
                rest = rest.dropFirst(try target.file.write(rest))
            } catch {
                if error != .interrupted { return error }
            }
        }
        return nil
    }
}

extension PartingLine.Reason {
    /// Where Firecracker counts it.
    fileprivate var group: String {
        switch self {
        case .badSystemCall: "seccomp"
        case .sigbus, .sigsegv, .sigxfsz, .sigxcpu, .sigill: "signals"
        case .trap: "vmm"
        }
    }

    fileprivate var name: String {
        switch self {
        case .badSystemCall: "num_faults"
        case .sigbus: "sigbus"
        case .sigsegv: "sigsegv"
        case .sigxfsz: "sigxfsz"
        case .sigxcpu: "sigxcpu"
        case .sigill: "sigill"
        case .trap: "panic_count"
        }
    }
}
