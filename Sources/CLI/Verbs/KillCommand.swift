// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet kill`: ends machines at once, or sends their commands a signal.
struct KillCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "kill", abstract: "End machines at once, or send their commands a signal.",
        discussion: """
            Without a signal, or with KILL, a machine ends as by a power cut, and its exit status \
            is 137. Any other signal goes to the process group of its command.

            Examples:
              swiftlet kill web
              swiftlet kill --signal HUP web
              swiftlet kill -s 12 web
            """)

    @Option(
        name: .shortAndLong, help: "Name or number of a signal.",
        completion: .list(SignalName.names),
        transform: { try SignalName($0) })
    var signal = SignalName(.kill)

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        try targets.forEach { machine, _ throws(ClientError) in
            try machine.send(signal.signal)
            targets.report(machine)
        }
    }
}

/// A signal as a person writes it.
struct SignalName: Hashable {
    let signal: Signal

    init(_ signal: Signal) { self.signal = signal }

    /// Reads `TERM`, `sigterm` or `15`.
    init(_ text: String) throws {
        if let number = CInt(text), (1...64).contains(number) {
            signal = Signal(rawValue: number)
            return
        }
        var name = text.uppercased()
        if name.hasPrefix("SIG") { name.removeFirst(3) }
        guard let index = Self.names.firstIndex(of: name) else {
            throw ValidationError(
                "'\(JSONError.printable(text))' is no signal; write a name such as TERM, or a number"
                    + " from 1 to 64.")
        }
        signal = Signal(rawValue: CInt(index + 1))
    }

    /// Of Linux on x86-64, in order.
    static var names: [String] {
        [
            "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV",
            "USR2", "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN",
            "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
        ]
    }
}
