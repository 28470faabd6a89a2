// SPDX-License-Identifier: Apache-2.0
import Linux

/// Connections to a guest's ports through its monitor's vsock socket, in Firecracker's way: the
/// host says `CONNECT <port>`, and hears `OK <its port>` once a program in the guest has accepted.
enum GuestConnection {
    /// What a guest that runs needs to accept, many times over.
    private static var patience: UInt64 { 10_000_000_000 }
    /// `OK 4294967295` and the end of the line.
    private static var answerLimit: Int { 14 }

    static func open(
        port: UInt32, by name: String, of machine: DetachedMachine
    ) throws(ClientError) -> FileDescriptor {
        do throws(Errno) {
            let socket = try UnixSocket.connect(to: name)
            let request = Array("CONNECT \(port)\n".utf8)
            // A new connection has room for a line.
            guard try UnixSocket.send(request[...], to: socket.rawValue) == request.count else {
                throw .again
            }
            if try isAccepted(socket) { return socket }
        } catch {
            throw machine.error(.machineEnded, "cannot be reached: \(error)")
        }
        throw machine.error(
            .agent, "does not answer at port \(port): nobody in the guest listens there")
    }

    /// Waits for the answer and takes it, and no byte behind it: that is the guest's.
    private static func isAccepted(_ socket: borrowing FileDescriptor) throws(Errno) -> Bool {
        let deadline = Clock.monotonic &+ patience
        while true {
            var set = PollSet()
            set.add(socket.rawValue, .readable)
            set.wait(until: deadline)
            guard set.isReadable(socket.rawValue) else { return false }
            let seen = try UnixSocket.peek(socket.rawValue, limit: answerLimit)
            if let end = seen.firstIndex(of: UInt8(ascii: "\n")) {
                _ = try Stream.read(socket.rawValue, limit: end + 1)
                return seen.starts(with: "OK ".utf8)
            }
            // The end, or no answer of a monitor's. Half a line would be followed at once.
            guard !seen.isEmpty, seen.count < answerLimit else { return false }
            Thread.yield()
        }
    }
}
