// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet inspect`: all that is known of machines.
struct InspectCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Tell all that is known of machines.",
        discussion: """
            Times are nanoseconds since 1970, 'status' is the exit status, once there is one.

            Examples:
              swiftlet inspect web
              swiftlet inspect --json web | jq '.[0].monitor.pid'
            """)

    @Flag(help: "Print JSON: an array with an object for each.")
    var json = false

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        var found: [JSON] = []
        let status = try targets.forEach { machine, _ throws(ClientError) in
            let state = machine.state
            found.append(machine.json(state, machine.status(of: state)))
        }
        let text =
            json ? JSON.array(found).text + "\n" : found.map(Self.text).joined(separator: "\n")
        CurrentProcess.writeAll(Array(text.utf8), to: 1)
        return status
    }

    /// A line for each member.
    private static func text(_ json: JSON) -> String {
        guard case .object(let members) = json.value else { return json.text + "\n" }
        let width = members.map(\.name.count).max() ?? 0
        return members.map { member in
            let value =
                if case .string(let text) = member.value.value {
                    JSONError.printable(text, limit: 4096)
                } else { member.value.text }
            let space = String(repeating: " ", count: width - member.name.count + 2)
            return member.name + space + value + "\n"
        }.joined()
    }
}
