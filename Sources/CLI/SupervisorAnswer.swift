// SPDX-License-Identifier: Apache-2.0
import Client
import Control
import Linux

/// What a supervisor says once to the process that started it, over a pipe: the command runs, or
/// why not.
final class SupervisorAnswer {
    private var pipe: FileDescriptor?

    /// The pipe's end that is written to.
    init(_ pipe: consuming FileDescriptor) { self.pipe = consume pipe }

    /// Asks to be woken if nobody waits for the answer any more.
    func register(in set: inout PollSet) {
        if let raw = pipe?.rawValue { set.add(raw, []) }
    }

    /// Whether somebody who waited has gone without an answer.
    func isUnwanted(_ set: PollSet) -> Bool {
        guard let raw = pipe?.rawValue else { return false }
        return !set.readiness(of: raw).isDisjoint(with: .ended)
    }

    func accept() { say(.object([("status", .integer(0))])) }

    func refuse(_ message: String, status: CInt) {
        say(.object([("status", .integer(status)), ("message", .string(message))]))
    }

    private func say(_ json: JSON) {
        guard let pipe = pipe.take() else { return }
        CurrentProcess.writeAll(json.bytes + [UInt8(ascii: "\n")], to: pipe.rawValue)
    }

    /// Waits for the answer at the other end: 0, or the status to end with once `complain` is told why.
    static func wait(
        at pipe: borrowing FileDescriptor, complain: (String) -> Void
    ) -> CInt {
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while let count = try? pipe.read(into: &buffer), count > 0 { bytes += buffer[..<count] }
        guard let json = try? JSONParser.parse(bytes),
            let status = try? json["status"]?.asInteger() as CInt?
        else {
            complain("the machine's supervisor ended without a word")
            return ExitStatus.ownFailure
        }
        if let message = try? json["message"]?.asString() { complain(message) }
        return status
    }
}
