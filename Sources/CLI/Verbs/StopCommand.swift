// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet stop`: asks machines to end, and makes them.
struct StopCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "stop",
        abstract: "End machines, by force only if they do not end by themselves.",
        discussion: """
            The command gets SIGTERM. If it still runs when the time has passed, all programs of \
            the guest are ended and its disks come to rest; if the guest does not answer, it is \
            killed.

            Examples:
              swiftlet stop web
              swiftlet stop --time 1m web database
              swiftlet stop $(swiftlet ps --quiet)
            """)

    @Option(
        name: .shortAndLong, help: "What the command has to end: 500ms, 10s, 2m.",
        transform: { try TimeSpan($0) })
    var time: TimeSpan?

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        let seconds = time.map { Double($0.nanoseconds) / 1e9 } ?? 10
        return try targets.forEach { machine, _ throws(ClientError) in
            if machine.isAlive { try machine.stop(seconds: seconds) }
            targets.report(machine)
        }
    }
}
