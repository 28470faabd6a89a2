// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet pause`: lets machines stand still.
struct PauseCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "pause", abstract: "Let machines stand still, between two instructions.",
        discussion: """
            What they have in memory stays. Clocks of the guest's go on.

            Examples:
              swiftlet pause web
              swiftlet pause $(swiftlet ps --quiet)
            """)

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        try targets.forEach { machine, _ throws(ClientError) in
            try machine.api().pause()
            targets.report(machine)
        }
    }
}
