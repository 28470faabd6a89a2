// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Client
import Linux

/// `swiftlet supervise`: what `run --detach` leaves behind. Not for people.
///
/// Descriptor 3 is the lock that says that the machine lives, descriptor 4 the pipe for the answer.
struct SuperviseCommand: Verb {
    static let configuration = CommandConfiguration(
        commandName: "supervise", abstract: "Keep a detached machine.", shouldDisplay: false)

    static var seatDescriptor: CInt { 3 }
    static var answerDescriptor: CInt { 4 }

    @Argument(help: "The machine's identifier.")
    var id: String

    func perform() throws(ClientError) -> CInt {
        Signal.pipe.ignore()
        let answer = SupervisorAnswer(FileDescriptor(adopting: Self.answerDescriptor))
        do throws(ClientError) {
            let seat = try MachineSeat(
                adopting: Self.seatDescriptor, of: id, in: try MachineStore.standard())
            guard let options = try? RunCommand.parse(seat.machine.record.arguments) else {
                throw ClientError(.badConfiguration, "a supervisor cannot read its arguments")
            }
            try Supervisor(seat, answer, options).run()
            return 0
        } catch {
            answer.refuse(error.message, status: ExitStatus.ownFailure)
            return ExitStatus.ownFailure
        }
    }
}
