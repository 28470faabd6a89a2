// SPDX-License-Identifier: Apache-2.0
import Control
import Linux
import Machine

/// The program: from arguments to one machine, and from its end to an exit status.
enum Monitor {
    /// What the process says when it ends, as Firecracker does.
    enum ExitStatus {
        static var success: CInt { 0 }
        static var failure: CInt { 1 }
        static var badConfiguration: CInt { 152 }
        static var badArguments: CInt { 153 }
    }

    static func run(_ words: [String]) -> CInt {
        let start = CurrentProcess.start
        let arguments: MonitorArguments
        do throws(MonitorArguments.Failure) {
            arguments = try MonitorArguments(words)
        } catch {
            complain("Arguments parsing error: \(error)\n\nFor more information try --help.")
            return ExitStatus.badArguments
        }
        switch arguments.request {
        case .help: CurrentProcess.writeAll(Array(MonitorArguments.usage.utf8), to: 1)
        case .version:
            CurrentProcess.writeAll(Array("Swiftlet v\(Version.current)\n".utf8), to: 1)
        case .run:
            do throws(Refusal) {
                return try runMachine(arguments, start: start)
            } catch {
                complain(error.message)
                return ExitStatus.badConfiguration
            }
        }
        return ExitStatus.success
    }

    /// A machine that cannot be made as it was asked for.
    private struct Refusal: Error {
        let message: String
    }

    private static func runMachine(
        _ arguments: MonitorArguments, start: UInt64
    ) throws(Refusal) -> CInt {
        var config = try configuration(at: arguments.configPath ?? "")
        if let engine = arguments.engine { config.swiftlet.engine = engine }
        guard config.pmems.isEmpty else {
            throw Refusal(message: "pmem devices are not part of this version; use a drive")
        }
        Signal.pipe.ignore()
        let walls: Walls
        do throws(Walls.Failure) {
            walls = try Walls(arguments.seccomp)
            try walls.enclose(config)
        } catch {
            throw Refusal(message: error.message)
        }
        let console = try Console(config)
        // Threads inherit what is blocked, so signals come before the machine.
        let signals: CInt
        do throws(Errno) {
            signals = try SignalReader([.terminate, .interrupt, .hangUp]).release()
        } catch {
            throw Refusal(message: "cannot watch signals: \(error)")
        }
        let machine: Machine
        do throws(MachineError) {
            var configuration = MachineConfiguration(
                config, input: console.input, output: console.output)
            configuration.confine = walls.enter
            machine = try Machine(configuration)
        } catch {
            throw Refusal(message: "\(error)")
        }
        do throws(Walls.Failure) {
            try walls.seal(config)
        } catch {
            throw Refusal(message: error.message)
        }
        let report = ReportWriter(machine, descriptor: config.swiftlet.report)
        do throws(Errno) {
            try report.answerSignals(from: signals, confine: walls.enter)
            try console.makeRaw()
        } catch {
            throw Refusal(message: "cannot take the console: \(error)")
        }
        let end = machine.run()
        console.restore()
        report.write(end)
        if arguments.bootTimer { tellBootTime(machine.timeline, since: start) }
        return exitStatus(of: end)
    }

    private static func configuration(at path: String) throws(Refusal) -> VMConfig {
        let bytes: [UInt8]?
        do throws(Errno) {
            bytes = try FileSystem.contents(of: path, limit: JSONParser.byteLimit)
        } catch {
            throw Refusal(message: "configuration file \(path) cannot be read: \(error)")
        }
        guard let bytes else {
            throw Refusal(
                message: "configuration file \(path) has more than \(JSONParser.byteLimit) bytes")
        }
        do throws(JSONError) {
            return try VMConfig(bytes)
        } catch {
            throw Refusal(message: "configuration file \(path): \(error)")
        }
    }

    private static func exitStatus(of end: MachineEnd) -> CInt {
        switch end {
        case .powerOff, .reset: return ExitStatus.success
        case .debugExit(let value): return CInt(value & 0xff)
        case .shutdown(let text):
            complain("the guest's processor shut down: \(text)")
        case .failed(let text):
            complain("the machine failed: \(text)")
        }
        return ExitStatus.failure
    }

    private static func tellBootTime(_ timeline: MachineTimeline, since start: UInt64) {
        guard let moment = timeline.bootTimer, moment >= start else { return }
        let microseconds = (moment - start) / 1000
        complain("Guest-boot-time = \(microseconds) us \(microseconds / 1000) ms")
    }

    private static func complain(_ message: String) {
        CurrentProcess.complain("swiftlet-vmm: \(message)\n")
    }

    /// The host's end of the serial console.
    private final class Console {
        let input: CInt?
        let output: CInt?
        private var isRaw = false

        init(_ config: VMConfig) throws(Refusal) {
            if let path = config.serial?.outputPath {
                do throws(Errno) {
                    let file = try FileDescriptor.open(path, flags: FileSystem.appending)
                    // Open until the process ends.
                    output = file.release()
                } catch {
                    throw Refusal(message: "serial output \(path) cannot be opened: \(error)")
                }
                input = config.swiftlet.console?.input
            } else {
                let console = config.swiftlet.console ?? .init(input: 0, output: 1)
                input = console.input
                output = console.output
            }
        }

        /// A person at the console types to the guest, Ctrl-C included.
        func makeRaw() throws(Errno) {
            guard let input, Terminal.isTerminal(input) else { return }
            try Terminal.makeRaw(input)
            isRaw = true
        }

        func restore() { if isRaw { Terminal.restore() } }
    }
}
