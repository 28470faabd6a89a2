// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// What people say of a command besides its words.
struct CommandOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, parsing: .unconditionalSingleValue,
        help: "NAME=value for the command, or NAME for its value here. Repeat for more.")
    var env: [String] = []

    @Option(name: .shortAndLong, help: "Directory in the guest in which the command starts.")
    var workdir: String?

    @Flag(name: .shortAndLong, help: "Give the command a terminal.")
    var terminal = false

    @Flag(name: .shortAndLong, help: "Give the command our input even if it is a terminal.")
    var interactive = false

    func validate() throws {
        for variable in env where variable.isEmpty || variable.hasPrefix("=") {
            throw ValidationError(
                "'\(JSONError.printable(variable))' is no environment variable; write NAME=value.")
        }
    }

    /// The name of one that was given.
    var given: String? {
        if terminal { return "--terminal" }
        if interactive { return "--interactive" }
        if !env.isEmpty { return "--env" }
        return workdir == nil ? nil : "--workdir"
    }

    /// The command that `words` are, in the environment that was asked for. With a terminal the guest
    /// also hears of what kind ours is.
    func command(_ words: [String]) -> Command {
        var command = Command(words)
        command.workingDirectory = workdir
        for variable in env {
            if variable.contains("=") {
                command.environment.append(variable)
            } else if let value = CurrentProcess.environment(variable) {
                command.environment.append("\(variable)=\(value)")
            }
        }
        let hasTerm = command.environment.contains { $0.hasPrefix("TERM=") }
        if terminal, !hasTerm, let term = CurrentProcess.environment("TERM") {
            command.environment.append("TERM=\(term)")
        }
        return command
    }
}
