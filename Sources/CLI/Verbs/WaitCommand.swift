// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Control
import Linux

/// `swiftlet wait`: until machines have ended.
struct WaitCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "wait",
        abstract: "Wait until machines have ended, and print their exit status.",
        discussion: """
            Examples:
              swiftlet wait job
              status=$(swiftlet wait job) && swiftlet rm job
            """)

    @Flag(help: "Print JSON: an object for each machine, one a line.")
    var json = false

    @OptionGroup var targets: MachineArguments

    func perform() throws(ClientError) -> CInt {
        // One that is removed at its end says before how it ended.
        let store = try MachineStore.standard()
        let holds = targets.machines.compactMap { name in
            (try? store.machine(name)).flatMap(MachineHold.take)
        }
        defer { for hold in holds { hold.release() } }
        return try targets.forEach { machine, store throws(ClientError) in
            _ = machine.waitForEnd()
            // What has ended without a word is written down by the look.
            let ended = try store.machine(machine.record.id)
            guard case .ended(let status) = ended.status else {
                throw machine.error(.machineEnded, "has ended, and nobody has said how")
            }
            let object = JSON.object([
                ("id", .string(machine.record.id)), ("name", .string(machine.record.name)),
                ("status", .integer(status)), ("message", ended.state?.message.map(JSON.string)),
            ])
            CurrentProcess.writeAll(Array("\(json ? object.text : "\(status)")\n".utf8), to: 1)
        }
    }
}
