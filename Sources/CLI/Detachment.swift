// SPDX-License-Identifier: Apache-2.0
import Client
import Linux

/// `swiftlet run --detach`: makes the machine's directory, and a supervisor that outlives us.
struct Detachment {
    let options: RunCommand
    /// What `swiftlet run` was given.
    let arguments: [String]

    /// Answers once the command runs, or has refused to; the exit status.
    func perform() throws(ClientError) -> CInt {
        let configuration = try options.machine()
        let store = try MachineStore.standard()
        let seat = try store.make(
            named: options.name, command: options.command, arguments: arguments,
            isTemporary: options.removes, configuration)
        let id = seat.machine.record.id
        // A look takes away what is left of a machine that never ran.
        defer { _ = try? store.machines() }
        let status = SupervisorAnswer.wait(at: try start(seat)) {
            CurrentProcess.complain("swiftlet: \($0)\n")
        }
        guard status == 0 else { return status }
        CurrentProcess.writeAll(Array("\(id)\n".utf8), to: 1)
        return 0
    }

    /// Gives the seat to a new supervisor; the pipe on which that answers.
    private func start(_ seat: consuming MachineSeat) throws(ClientError) -> FileDescriptor {
        guard let program = CurrentProcess.executablePath else {
            throw ClientError(.system, "a detached machine needs /proc")
        }
        do throws(Errno) {
            let nothing = try FileDescriptor.open(
                "/dev/null", flags: FileSystem.readingAndWriting)
            let pipe = try Pipe()
            let answer = try pipe.reader.duplicate()
            try DetachedProcess.start(
                path: program, arguments: ["supervise", seat.machine.record.id],
                environment: CurrentProcess.environment,
                descriptors: [
                    nothing.rawValue, nothing.rawValue, nothing.rawValue, seat.descriptor,
                    pipe.writer.rawValue,
                ])
            return answer
        } catch {
            throw ClientError(.system, "cannot start a supervisor: \(error)")
        }
    }
}
