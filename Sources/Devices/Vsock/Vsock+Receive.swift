// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Packets to the guest.
extension Vsock {
    /// Fills the guest's buffers, one packet a connection a turn.
    mutating func receive(_ queues: inout Virtqueues) throws(VirtqueueError) {
        for _ in 0..<Self.turnLimit {
            guard try queues[Queue.receive].hasNext() else { return }
            if let ports = resets.first {
                try put(reset(of: ports), in: &queues)
                resets.removeFirst()
                continue
            }
            guard let connection = table.nextTurn() else { return }
            try receive(from: connection, &queues)
            schedule(connection)
        }
        host.again.signal()
    }

    private func reset(of ports: VsockPorts) -> VsockHeader {
        var header = VsockHeader()
        header.sourceCID = VsockHeader.hostCID
        header.destinationCID = UInt64(guestCID)
        header.sourcePort = ports.host
        header.destinationPort = ports.guest
        header.operation = VsockOperation.reset.rawValue
        return header
    }

    /// Uses up buffers until `header` fits in one; false if it fits in none.
    @discardableResult
    private mutating func put(
        _ header: VsockHeader, in queues: inout Virtqueues
    ) throws(VirtqueueError) -> Bool {
        guard let chain = try queues[Queue.receive].next() else { return false }
        let fits = chain.writable.store(header)
        statistics.packetsToGuest &+= 1
        queues[Queue.receive].complete(chain, written: fits ? VsockHeader.byteCount : 0)
        return fits
    }

    private mutating func receive(
        from connection: VsockConnection, _ queues: inout Virtqueues
    ) throws(VirtqueueError) {
        guard let pending = connection.pending.first else {
            return try receiveData(from: connection, &queues)
        }
        var header = connection.header(guestCID: UInt64(guestCID))
        header.operation = pending.operation.rawValue
        if pending == .shutdown { header.flags = connection.hostShutdown.rawValue }
        guard try put(header, in: &queues) else { return }
        connection.pending.remove(pending)
    }

    /// Reads the socket straight into the guest's next buffer.
    private mutating func receiveData(
        from connection: VsockConnection, _ queues: inout Virtqueues
    ) throws(VirtqueueError) {
        guard let chain = try queues[Queue.receive].next() else { return }
        let room = chain.writable.byteCount - VsockHeader.byteCount
        let limit = min(room, Self.packetLimit, Int(connection.host.credit))
        guard limit > 0 else {
            // A buffer too small for any byte is of no use to anybody.
            queues[Queue.receive].complete(chain, written: 0)
            return
        }
        let count: Int
        do throws(Errno) {
            count = try chain.writable.fill(
                from: connection.socket.rawValue, at: VsockHeader.byteCount, limit: limit)
        } catch {
            queues[Queue.receive].putBack(chain)
            inputFailed(connection, error)
            return
        }
        guard count > 0 else {
            queues[Queue.receive].putBack(chain)
            inputEnded(connection)
            return
        }
        connection.host.sent &+= UInt32(count)
        statistics.bytesToGuest &+= UInt64(count)
        statistics.packetsToGuest &+= 1
        var header = connection.header(guestCID: UInt64(guestCID))
        header.operation = VsockOperation.data.rawValue
        header.length = UInt32(count)
        chain.writable.store(header)
        queues[Queue.receive].complete(chain, written: VsockHeader.byteCount + count)
    }

    private mutating func inputFailed(_ connection: VsockConnection, _ error: Errno) {
        switch error {
        case .again: connection.host.hasInput = false
        case .interrupted: break
        default:
            statistics.readFailures &+= 1
            hostLeft(connection)
            inputEnded(connection)
        }
    }

    /// The socket has given its last byte.
    private mutating func inputEnded(_ connection: VsockConnection) {
        connection.host.hasInput = false
        connection.host.hasEnded = true
        connection.pending.insert(.shutdown)
        if connection.host.isGone { beginClosing(connection) }
    }
}

extension VsockConnection.Pending {
    /// The one that goes first.
    fileprivate var first: VsockConnection.Pending? {
        isEmpty ? nil : Self(rawValue: rawValue & (~rawValue &+ 1))
    }

    fileprivate var operation: VsockOperation {
        switch self {
        case .request: .request
        case .response: .response
        case .shutdown: .shutdown
        case .creditUpdate: .creditUpdate
        default: .creditRequest
        }
    }
}
