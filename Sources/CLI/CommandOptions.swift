// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// What people say of a command besides its words.
extension Command {
    /// Throws for what is no environment variable.
    static func check(environment: [String]) throws {
        for variable in environment where variable.isEmpty || variable.hasPrefix("=") {
            throw ValidationError(
                "'\(JSONError.printable(variable))' is no environment variable; write NAME=value.")
        }
    }

    /// - Parameter environment: `NAME=value` each, or `NAME` for the value that it has here. With a
    ///   terminal the guest also hears of what kind ours is.
    init(_ words: [String], environment: [String], directory: String?, terminal: Bool) {
        self.init(words)
        workingDirectory = directory
        for variable in environment {
            if variable.contains("=") {
                self.environment.append(variable)
            } else if let value = CurrentProcess.environment(variable) {
                self.environment.append("\(variable)=\(value)")
            }
        }
        let hasTerm = self.environment.contains { $0.hasPrefix("TERM=") }
        if terminal, !hasTerm, let term = CurrentProcess.environment("TERM") {
            self.environment.append("TERM=\(term)")
        }
    }
}
