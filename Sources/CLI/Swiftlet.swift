// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Control
import Linux

/// The command line.
@main
struct Swiftlet: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet",
        abstract: "Runs a workload in a virtual machine of its own, started in a moment.",
        version: Version.current,
        subcommands: [
            RunCommand.self, ExecCommand.self, CopyCommand.self, PortForwardCommand.self,
            PsCommand.self, InspectCommand.self, LogsCommand.self,
            StopCommand.self, KillCommand.self, RmCommand.self, PauseCommand.self,
            ResumeCommand.self, WaitCommand.self, StatsCommand.self, DoctorCommand.self,
            CompletionCommand.self, SuperviseCommand.self,
        ])

    /// When this process began, on ``Clock/monotonic``.
    static let start = CurrentProcess.start

    static func main() {
        _ = start
        do {
            switch try parseAsRoot() {
            case let verb as any Verb: verb.end()
            case var command: try command.run()
            }
        } catch {
            let message = fullMessage(for: error)
            if exitCode(for: error).isSuccess {
                CurrentProcess.writeAll(Array((message + "\n").utf8), to: 1)
                CurrentProcess.exit(0)
            }
            CurrentProcess.complain(message + "\n")
            CurrentProcess.exit(ExitStatus.ownFailure)
        }
    }
}

/// What `swiftlet` says when it ends, beside what the command says.
enum ExitStatus {
    /// The time limit has passed, as timeout(1) has it.
    static var timedOut: CInt { 124 }
    /// A failure of ours, not of the command.
    static var ownFailure: CInt { 125 }

    static func killed(by signal: Signal) -> CInt { 128 + signal.rawValue }
}
