// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// A verb of the command line, which ends in an exit status.
protocol Verb: ParsableCommand {
    /// Does it; the exit status. An error is said on standard error, and its status is 125.
    func perform() throws(ClientError) -> CInt
}

extension Verb {
    /// Does it and ends the process.
    func end() -> Never {
        do throws(ClientError) {
            CurrentProcess.exit(try perform())
        } catch {
            CurrentProcess.complain("swiftlet: \(error.message)\n")
            CurrentProcess.exit(ExitStatus.ownFailure)
        }
    }
}

/// Which machine a verb is about.
struct MachineArgument: ParsableArguments {
    @Argument(
        help: "The machine's name, its identifier, or the first digits of that.",
        completion: .shellCommand("swiftlet ps --all --names"))
    var machine: String

    /// The machine itself.
    func find() throws(ClientError) -> DetachedMachine {
        try MachineStore.standard().machine(machine)
    }
}

/// Which machines a verb is about.
struct MachineArguments: ParsableArguments {
    @Argument(
        help: "Names of machines, their identifiers, or the first digits of those.",
        completion: .shellCommand("swiftlet ps --all --names"))
    var machines: [String]

    /// Says that a machine was done with, by the name it was called.
    func report(_ machine: DetachedMachine) {
        CurrentProcess.writeAll(Array("\(machine.record.name)\n".utf8), to: 1)
    }

    /// Does `body` for each; what fails is said, and the others have their turn.
    func forEach(
        _ body: (DetachedMachine, MachineStore) throws(ClientError) -> Void
    ) throws(ClientError) -> CInt {
        let store = try MachineStore.standard()
        var status: CInt = 0
        for reference in machines {
            do throws(ClientError) {
                try body(try store.machine(reference), store)
            } catch {
                CurrentProcess.complain("swiftlet: \(error.message)\n")
                status = ExitStatus.ownFailure
            }
        }
        return status
    }
}
