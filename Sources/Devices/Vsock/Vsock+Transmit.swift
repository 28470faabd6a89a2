// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Virtio

/// Packets from the guest.
extension Vsock {
    /// Takes what the guest has sent, as long as there is room for answers.
    mutating func transmit(_ queues: inout Virtqueues) throws(VirtqueueError) {
        flags.isStalled = false
        for _ in 0..<Self.turnLimit {
            guard resets.count < Self.resetLimit else {
                flags.isStalled = true
                return
            }
            let loan = try queues[Queue.transmit].lend { chain in
                take(chain.readable)
                return 0
            }
            guard case .done = loan else { return }
        }
        host.again.signal()
    }

    private mutating func take(_ packet: borrowing GuestSlices) {
        statistics.packetsFromGuest &+= 1
        guard let header = packet.load(VsockHeader.self),
            header.sourceCID == UInt64(guestCID), header.destinationCID == VsockHeader.hostCID
        else {
            // Without a sender there is nobody to answer.
            statistics.violations &+= 1
            return
        }
        let ports = VsockPorts(host: header.destinationPort, guest: header.sourcePort)
        let operation = VsockOperation(rawValue: header.operation)
        guard header.type == VsockHeader.stream, let operation else {
            statistics.violations &+= 1
            return refuse(ports, after: operation)
        }
        guard let connection = table[ports] else {
            if operation == .request { return connect(ports, header) }
            return refuse(ports, after: operation)
        }
        connection.noteCredit(header)
        switch operation {
        case .request: violate(connection)
        case .response: accepted(connection)
        case .reset: closed(connection)
        case .shutdown: shutdown(connection, VsockShutdown(rawValue: header.flags))
        case .data: forward(packet, count: header.length, to: connection)
        case .creditUpdate: break
        case .creditRequest: connection.pending.insert(.creditUpdate)
        }
        schedule(connection)
    }

    /// Answers a packet that belongs nowhere. A reset is never answered.
    private mutating func refuse(_ ports: VsockPorts, after operation: VsockOperation?) {
        guard operation != .reset else { return }
        resets.append(ports)
    }

    /// The guest broke the rules of a connection, which ends.
    private mutating func violate(_ connection: VsockConnection) {
        statistics.violations &+= 1
        resets.append(connection.ports)
        close(connection)
    }

    // MARK: Opening

    /// The guest calls a port of the host.
    private mutating func connect(_ ports: VsockPorts, _ header: VsockHeader) {
        guard !table.isFull,
            let socket = try? host.reserve.connect(to: "\(path)_\(ports.host)"),
            let connection = open(socket, ports: ports, phase: .connected)
        else {
            resets.append(ports)
            return
        }
        table.publish(connection)
        connection.noteCredit(header)
        connection.pending.insert(.response)
        table.schedule(connection)
    }

    /// The guest accepts a call of the host.
    private mutating func accepted(_ connection: VsockConnection) {
        guard connection.phase == .requested else { return violate(connection) }
        let answer = Array("OK \(connection.ports.host)\n".utf8)
        guard let sent = try? UnixSocket.send(answer[...], to: connection.socket.rawValue),
            sent == answer.count
        else {
            resets.append(connection.ports)
            close(connection)
            return
        }
        connection.phase = .connected
        connection.deadline = .max
        connection.host.hasInput = true
    }

    // MARK: Data

    private mutating func forward(
        _ packet: borrowing GuestSlices, count: UInt32, to connection: VsockConnection
    ) {
        let count = Int(count)
        guard connection.phase == .connected || connection.phase == .closing,
            count <= packet.byteCount - VsockHeader.byteCount,
            count <= Int(connection.guest.room), !connection.guest.ended.contains(.send)
        else { return violate(connection) }
        guard count > 0 else { return }
        statistics.bytesFromGuest &+= UInt64(count)
        connection.guest.received &+= UInt32(count)
        var done = 0
        if connection.host.isGone {
            done = count
        } else if connection.guest.backlog.isEmpty {
            done = send(packet, count: count, to: connection)
        }
        connection.guest.forwarded &+= UInt32(done)
        let kept = connection.guest.backlog.append(
            packet, at: VsockHeader.byteCount + done, count: count - done)
        guard kept else { return violate(connection) }
        if connection.guest.owesCredit { connection.pending.insert(.creditUpdate) }
    }

    /// Gives the socket what it takes at once; answers how many bytes are dealt with.
    private mutating func send(
        _ packet: borrowing GuestSlices, count: Int, to connection: VsockConnection
    ) -> Int {
        do throws(Errno) {
            return try packet.drain(
                to: connection.socket.rawValue, at: VsockHeader.byteCount, limit: count)
        } catch .again, .interrupted {
            return 0
        } catch {
            statistics.writeFailures &+= 1
            hostLeft(connection)
            return count
        }
    }

    // MARK: Closing

    /// The guest ends one half or both.
    private mutating func shutdown(_ connection: VsockConnection, _ ended: VsockShutdown) {
        guard connection.phase != .requested else { return violate(connection) }
        connection.guest.ended.formUnion(ended.intersection(.both))
        if connection.guest.ended.isSuperset(of: .both) {
            resets.append(connection.ports)
            closed(connection)
            return
        }
        if connection.guest.ended.contains(.receive) {
            UnixSocket.shutdown(connection.socket.rawValue, .reading)
        }
        if connection.guest.ended.contains(.send), connection.guest.backlog.isEmpty {
            UnixSocket.shutdown(connection.socket.rawValue, .writing)
        }
    }

    /// The guest knows the connection no more; what it sent before still reaches the host.
    private mutating func closed(_ connection: VsockConnection) {
        guard !connection.guest.backlog.isEmpty, !connection.host.isGone else {
            close(connection)
            return
        }
        table.unpublish(connection)
        connection.phase = .draining
        connection.pending = []
        connection.deadline = .max
        UnixSocket.shutdown(connection.socket.rawValue, .reading)
    }
}
