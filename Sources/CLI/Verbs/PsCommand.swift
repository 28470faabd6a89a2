// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet ps`: which machines there are.
struct PsCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "ps", abstract: "List detached machines.",
        discussion: """
            Examples:
              swiftlet ps
              swiftlet ps --all
              swiftlet rm $(swiftlet ps --all --quiet)
              swiftlet ps --json | jq -r '.[].name'
            """)

    @Flag(name: .shortAndLong, help: "Machines that have ended, too.")
    var all = false

    @Flag(name: .shortAndLong, help: "Identifiers only.")
    var quiet = false

    @Flag(help: .hidden)
    var names = false

    @Flag(help: "Print JSON.")
    var json = false

    func perform() throws(ClientError) -> CInt {
        var rows: [(machine: DetachedMachine, state: MachineState?, status: DetachedMachine.Status)]
        rows = try MachineStore.standard().machines().compactMap { machine in
            let state = machine.state
            let status = machine.status(of: state)
            // One with --rm may have gone meanwhile: nobody knows how it ended.
            if case .ended = status, machine.state == nil { return nil }
            return (machine, state, status)
        }
        if !all { rows.removeAll { if case .ended = $0.status { true } else { false } } }
        let text: String
        if json {
            text = JSON.array(rows.map { $0.machine.json($0.state, $0.status) }).text + "\n"
        } else if quiet || names {
            text = rows.map { (quiet ? $0.machine.record.id : $0.machine.record.name) + "\n" }
                .joined()
        } else {
            var table = Table("ID", "NAME", "STATUS", "CREATED", "COMMAND")
            for (machine, state, status) in rows {
                let record = machine.record
                table.add(
                    record.id, record.name, status.text(state),
                    Wording.since(record.created) + " ago",
                    Wording.command(record.command, limit: 30))
            }
            text = table.text
        }
        CurrentProcess.writeAll(Array(text.utf8), to: 1)
        return 0
    }
}
