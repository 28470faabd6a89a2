// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet resume`: lets paused machines go on.
struct ResumeCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "resume", abstract: "Let paused machines go on.",
        discussion: """
            Examples:
              swiftlet resume web
            """)

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        try targets.forEach { machine, _ throws(ClientError) in
            try machine.api().resume()
            targets.report(machine)
        }
    }
}
