// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet exec`: a further command in a machine that runs.
struct ExecCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "exec",
        abstract: "Run a command in a machine that runs already.",
        usage: "swiftlet exec [<options>] <machine> [--] <command> [<argument> ...]",
        discussion: """
            The command's output comes as it is written, its input is ours unless that is a \
            terminal (then give -i or -t). Ctrl-C goes to the command; a second one leaves it, as \
            does Ctrl-] three times within a second when the terminal is the guest's. A command \
            that is left is hung up, and killed two seconds later.

            Examples:
              swiftlet exec web ps
              swiftlet exec -it web -- sh
              swiftlet exec -e LANG=C -w /var/log web -- tail -f messages
              swiftlet exec web -- sh -c 'cat > /etc/motd' < motd

            Exit status: the command's own, or 128 and the signal that ended it; 124 after \
            --timeout; 125 if swiftlet failed; 126 if the command cannot be executed; 127 if \
            there is no such command.
            """)

    @OptionGroup var commandOptions: CommandOptions

    @Option(
        help: "Leave the command after so long: 500ms, 10s, 2m, 1h.",
        transform: { try TimeSpan($0) })
    var timeout: TimeSpan?

    @Argument(
        parsing: .captureForPassthrough,
        help: "The machine's name or identifier; then the command and its arguments.",
        completion: .custom(ExecCommand.machines))
    var words: [String] = []

    /// Options whose value is the next word.
    private static let valued = ["-e", "--env", "-w", "--workdir", "--timeout"]

    /// What is offered for the word at `place`: machines that run, for the first one that is no
    /// option. What stands behind that is the guest's.
    @Sendable private static func machines(
        _ words: [String], _ place: Int, _ typed: String
    ) -> [String] {
        guard place < words.count else { return [] }
        var machine = 2
        while machine < place, words[machine].hasPrefix("-") {
            let option = words[machine]
            machine += 1
            if option == "--" { break }
            // Bash takes A=B for three words.
            let isJoined = machine < place && words[machine] == "="
            if Self.valued.contains(option), !isJoined { machine += 1 }
            while machine < place, words[machine] == "=" { machine += 2 }
        }
        guard machine == place, let all = try? MachineStore.standard().machines() else { return [] }
        return all.filter { if case .ended = $0.status { false } else { true } }
            .map(\.record.name)
    }

    /// The machine as it was called.
    private var machine: String { words[0] }
    private var command: [String] { Array(words.dropFirst()) }

    mutating func validate() throws {
        if let option = words.first, option.hasPrefix("-"), option != "--" {
            if option == "--help" || option == "-h" { throw CleanExit.helpRequest(self) }
            throw ValidationError("Unknown option '\(JSONError.printable(option))'.")
        }
        if words.first == "--" { words.removeFirst() }
        guard !words.isEmpty else {
            throw ValidationError("In which machine? swiftlet exec web -- uname -a")
        }
        if words.count > 1, words[1] == "--" { words.remove(at: 1) }
        guard let name = command.first else {
            throw ValidationError(
                "What is to be run in \(JSONError.printable(machine))? swiftlet exec"
                    + " \(JSONError.printable(machine)) -- uname -a")
        }
        guard !name.isEmpty else { throw ValidationError("The command's name is empty.") }
    }

    func perform() throws(ClientError) -> CInt {
        let streams = try CommandStreams(
            command, commandOptions, deadline: timeout.map { Swiftlet.start &+ $0.nanoseconds })
        defer { streams.finish() }
        Signal.pipe.ignore()
        // Signals end us until there is a command that can have them.
        let channel = try MachineStore.standard().machine(machine).agent()
        let signals = try Patience.signals()
        try streams.start { request throws(ClientError) in try Execution(request, on: channel) }
        do throws(ClientError) {
            while streams.status == nil { _ = try streams.step(signals) }
        } catch {
            guard error.kind == .machineEnded else { throw error }
            throw ClientError(
                .machineEnded, "the machine \(machine) ended, and the command with it")
        }
        return streams.status ?? ExitStatus.ownFailure
    }
}
