// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// What ends a channel's frames: it becomes a connection to a port, or goes to a process that
/// copies a tree.
extension Channel {
    /// Begins to connect; the host hears of it when it is done, and sends nothing before.
    func connect(to port: UInt16) {
        guard command == nil, decoder.pendingCount == 0 else {
            return refuse(.outOfTurn, UInt32(FrameKind.connect.rawValue))
        }
        setup.finish()
        let token = token | Role.input.rawValue
        switch Relay.open(port: port, token: token, events: events) {
        case .opened(let opened):
            relay = consume opened
            socket.watch(GUEST_PEER, on: events)
        case .failed(let result): refuse(.system, result.magnitude)
        }
    }

    /// Something has happened at one of the connection's ends.
    func moveRelay(_ role: Role) {
        guard relay?.isConnected == true else {
            if role == .input { return finishConnecting() }
            // The host does not wait for the answer.
            if guest_is_gone(socket.descriptor.number) != 0 { phase = .closed }
            return
        }
        let result = outgoing.flush(to: socket.descriptor)
        guard result == 0 else {
            if Errno.isTransient(result) { return socket.watch(GUEST_WRITABLE, on: events) }
            phase = .closed
            return
        }
        if relay?.move(&socket) != true { phase = .closed }
    }

    private func finishConnecting() {
        let result = relay?.finishConnecting() ?? -Errno.inputOutput
        if result == 0 { return }
        if result > 0 {
            outgoing.append(.connected)
            return moveRelay(.socket)
        }
        relay = nil
        refuse(.system, result.magnitude)
        updateWatch()
    }

    /// Gives the channel to a process of its own.
    func serveTree(_ request: Frame) {
        guard command == nil else { return refuse(.outOfTurn, UInt32(request.kind)) }
        setup.finish()
        let number = socket.descriptor.number
        // Else the loop would hear of a socket that the other process has open.
        socket.watch(0, on: events)
        let child = guest_fork(number)
        if child == 0 { TreeService.serve(request, on: number, outgoing, with: decoder) }
        guard child < 0 else {
            phase = .closed
            return
        }
        refuse(.system, child.magnitude)
        updateWatch()
    }
}
