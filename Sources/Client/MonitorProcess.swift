// SPDX-License-Identifier: Apache-2.0
import Control
import Linux

/// One `swiftlet-vmm` with the pipes to it. It dies with this process, however this one ends.
final class MonitorProcess {
    /// The guest's serial console, from our side.
    enum Console {
        /// Nobody types; what it shows is kept for a message.
        case kept
        /// Descriptors of ours that the monitor is given.
        case descriptors(input: CInt, output: CInt)
    }

    /// How the monitor ended, and what it said of its machine, if it could.
    struct Ending {
        let process: ProcessEnd
        let report: MachineReport?
    }

    let identifier: CInt
    private var process: ChildProcess?
    private var ending: Ending?
    private let console: Collector?
    private let complaints: Collector
    private let reports: Collector

    /// The monitor's number for the descriptor that its report goes to.
    static var reportDescriptor: CInt { 4 }
    /// The monitor's number for a network link that it is given open.
    static var linkDescriptor: CInt { 5 }

    /// What the configuration says of the console that the monitor is started with.
    static func consoleConfig(_ console: Console) -> SwiftletConfig.Console {
        switch console {
        case .kept: .init(input: nil, output: 1)
        case .descriptors: .init(input: 0, output: 1)
        }
    }

    /// - Parameters:
    ///   - link: A descriptor for the monitor, see ``linkDescriptor``.
    ///   - api: The name of its API's socket; nil: it has no API.
    init(
        path: String, config: VMConfig, console: Console, link: CInt? = nil, api: String? = nil
    ) throws(Errno) {
        let nothing = try FileDescriptor.open("/dev/null")
        let file = try MemoryFile.make(named: "swiftlet-config", holding: config.json.bytes)
        let complaintPipe = try Pipe()
        let reportPipe = try Pipe()
        let consolePipe = try Pipe()
        let ends: (input: CInt, output: CInt) =
            switch console {
            case .kept: (nothing.rawValue, consolePipe.writer.rawValue)
            case .descriptors(let input, let output): (input, output)
            }
        complaints = try Collector(try complaintPipe.reader.duplicate(), limit: 8 << 10)
        reports = try Collector(
            try reportPipe.reader.duplicate(), limit: MachineReport.byteLimit)
        self.console =
            if case .kept = console {
                try Collector(try consolePipe.reader.duplicate(), limit: 16 << 10)
            } else { nil }
        let child = try ChildProcess(
            path: path,
            arguments: (api.map { ["--api-sock", $0] } ?? ["--no-api"])
                + ["--config-file", "/proc/self/fd/3"],
            environment: Self.environment,
            descriptors: [
                ends.input, ends.output, complaintPipe.writer.rawValue, file.rawValue,
                reportPipe.writer.rawValue,
            ] + (link.map { [$0] } ?? []), isolated: true)
        identifier = child.identifier
        process = consume child
    }

    /// By what it finds where this user keeps what KVM is here. It has nothing else of ours, and takes even
    /// this out of its memory.
    private static var environment: [String] {
        ["XDG_RUNTIME_DIR", "HOME"].compactMap { name in
            CurrentProcess.environment(name).map { "\(name)=\($0)" }
        }
    }

    deinit { if ending == nil { _ = stop(gracePeriod: 0) } }

    /// Asks to be woken when the monitor says something or ends.
    func register(in set: inout PollSet) {
        guard let descriptor = process?.descriptor.rawValue else { return }
        set.add(descriptor, .readable)
        for collector in [console, complaints, reports] { collector?.register(in: &set) }
    }

    /// Keeps what the monitor has said. True once it has ended.
    func serve(_ set: PollSet) -> Bool {
        collect()
        guard let descriptor = process?.descriptor.rawValue else { return true }
        guard set.isReadable(descriptor) else { return false }
        reap()
        return true
    }

    /// Ends the monitor. It gets `gracePeriod` nanoseconds to write its report.
    func stop(gracePeriod: UInt64) -> Ending {
        if gracePeriod > 0 {
            process?.send(.terminate)
            let deadline = Clock.monotonic + gracePeriod
            while ending == nil, Clock.monotonic < deadline {
                var set = PollSet()
                register(in: &set)
                set.wait(until: deadline)
                if serve(set) { break }
            }
        }
        process?.send(.kill)
        reap()
        return ending ?? Ending(process: .signalled(Signal.kill.rawValue), report: nil)
    }

    private func collect() {
        for collector in [console, complaints, reports] { collector?.collect() }
    }

    private func reap() {
        guard let process = process.take() else { return }
        let end = process.reap()
        collect()
        let report = reports.firstLine.flatMap { try? MachineReport($0) }
        ending = Ending(process: end, report: report)
    }

    /// What went wrong, for a machine that ended unasked.
    var failure: ClientError {
        guard let ending else { return ClientError(.machineEnded, "the monitor still runs") }
        let complaint = Self.sentence(complaints.lastLines(4))
        switch ending.process {
        case .exited(152), .exited(153):
            return ClientError(.badConfiguration, complaint ?? "the configuration was refused")
        case .signalled(let signal):
            return ClientError(
                .machineEnded,
                withConsole("the monitor was killed by signal \(signal)", complaint))
        case .exited(let status):
            return ClientError(.machineEnded, withConsole(reason(status), complaint))
        }
    }

    /// The value with which the guest has ended its machine, if it did.
    var debugExitValue: UInt32? {
        guard let report = ending?.report, report.end == .debugExit else { return nil }
        return report.value
    }

    /// Whether the guest has switched its machine off.
    var isSwitchedOff: Bool { ending?.report?.end == .powerOff }

    private func reason(_ status: UInt8) -> String {
        guard let report = ending?.report else { return "the monitor ended with status \(status)" }
        return switch report.end {
        case .powerOff: "the guest switched its machine off"
        case .reset: "the guest restarted its machine, as kernels do when they panic"
        case .debugExit: "the guest ended its machine with value \(report.value ?? 0)"
        case .shutdown: "the guest's processor shut down"
        case .failed: "the machine failed"
        case .stopped: "the monitor was told to stop"
        }
    }

    private func withConsole(_ sentence: String, _ complaint: String?) -> String {
        var text = sentence
        if let complaint { text += ": " + complaint }
        let last = console?.lastLines(12) ?? ""
        if !last.isEmpty { text += "\nits console's last lines:\n" + last }
        return text
    }

    /// What the monitor wrote to its standard error, without its name.
    private static func sentence(_ lines: String) -> String? {
        let name = "swiftlet-vmm: "
        let text = lines.hasPrefix(name) ? String(lines.dropFirst(name.count)) : lines
        return text.isEmpty ? nil : text
    }
}
