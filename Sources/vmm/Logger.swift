// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Synchronization

/// The monitor's log. A line that its reader does not take at once is lost, and counted.
final class Logger: Sendable {
    private struct State {
        var style: LogStyle
        /// Nil: standard output.
        var target: FileTarget?
        /// Seconds to add to the time; asked once, as later the zone's file may be out of reach.
        var zone: Int?
        var limiters: [LogStyle.Origin: LogLimiter] = [:]
    }

    /// A log file; it stays open while anybody writes.
    private final class FileTarget: Sendable {
        let file: FileDescriptor
        init(_ file: consuming FileDescriptor) { self.file = file }
    }

    private let state: Mutex<State>
    private let isSilent: Bool
    private let metrics: Metrics

    /// - Parameter isSilent: Nothing is logged until a path is given.
    init(id: String, isSilent: Bool, metrics: Metrics) {
        // Without a reader there is no time to write, and nothing is read for it.
        let zone = isSilent ? nil : Clock.zoneOffset
        state = Mutex(State(style: LogStyle(id: id), zone: zone))
        self.isSilent = isSilent
        self.metrics = metrics
    }

    private var missed: Counter? { metrics.counter("logger", "missed_log_count") }
    private var limited: Counter? { metrics.counter("logger", "rate_limited_log_count") }

    func apply(_ config: LoggerConfig) throws(Errno) {
        let target: FileTarget? =
            if let path = config.path { FileTarget(try FileSystem.openLog(path)) } else { nil }
        if let target { SeccompFilter.reportViolations(to: target.file.rawValue) }
        state.withLock { state in
            state.style.apply(config)
            guard let target else { return }
            state.target = target
            if state.zone == nil { state.zone = Clock.zoneOffset }
        }
    }

    /// Whether lines of `level` may be written: others need not be made.
    func isWanted(_ level: LogLevel) -> Bool {
        state.withLock { (!isSilent || $0.target != nil) && level <= $0.style.level }
    }

    /// Logs something that only the host's side can cause.
    func log(
        _ level: LogLevel, _ message: String, file: String = #fileID, line: Int = #line
    ) {
        write(level, message, LogStyle.Origin(file: file, line: line))
    }

    /// Logs something that the guest can cause as often as it likes.
    func logLimited(
        _ level: LogLevel, _ message: String, file: String = #fileID, line: Int = #line
    ) {
        let origin = LogStyle.Origin(file: file, line: line)
        let (passes, held) = state.withLock { state in
            state.limiters[origin, default: LogLimiter()].pass(at: Clock.monotonic)
        }
        guard passes else {
            limited?.add()
            return
        }
        if held > 0 { write(.warn, "\(held) messages were suppressed.", origin) }
        write(level, message, origin)
    }

    private func write(_ level: LogLevel, _ message: String, _ origin: LogStyle.Origin) {
        let (style, target, zone) = state.withLock { ($0.style, $0.target, $0.zone) }
        guard !isSilent || target != nil else { return }
        let module = String(origin.file.prefix { $0 != "." }).split(separator: "/")
            .joined(separator: "::")
        guard style.isWanted(level, module: module) else { return }
        let offset = UInt64(bitPattern: Int64(zone ?? 0) &* 1_000_000_000)
        let line = style.line(
            message, level, thread: Thread.currentName, origin: origin,
            time: Clock.realtime &+ offset)
        do throws(Errno) {
            let taken =
                if let target {
                    try target.file.writeIfReady(line[...])
                } else {
                    try Stream.writeIfReady(line[...], to: 1)
                }
            if taken < line.count { missed?.add() }
        } catch {
            missed?.add()
        }
    }
}
