// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet rm`: forgets machines.
struct RmCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "rm", abstract: "Remove machines that have ended, and their logs.",
        discussion: """
            Disks are left as they are.

            Examples:
              swiftlet rm web
              swiftlet rm --force $(swiftlet ps --all --quiet)
            """)

    @Flag(name: .shortAndLong, help: "Kill a machine that has not ended.")
    var force = false

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        try targets.forEach { machine, store throws(ClientError) in
            if force, machine.isAlive {
                // It may end by itself meanwhile.
                do throws(ClientError) { try machine.kill() } catch {
                    if machine.isAlive { throw error }
                }
            }
            try store.remove(machine)
            targets.report(machine)
        }
    }
}
