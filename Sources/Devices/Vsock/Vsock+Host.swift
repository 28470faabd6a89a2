// SPDX-License-Identifier: Apache-2.0
import Linux
import Virtio

/// The sockets of the host.
extension Vsock {
    /// Longest greeting in bytes: `CONNECT 4294967295\r\n`.
    private static let greetingLimit = 32

    /// Notes what has happened to the sockets; true if a turn was cut short or asked for.
    mutating func takeHostEvents() -> Bool {
        var again = false
        // Every event is told once. At most one a descriptor can wait.
        for _ in 0...(VsockTable.limit / 64) {
            host.poller.poll(into: &events)
            for event in events {
                switch event.token {
                case Token.again:
                    host.again.drain()
                    again = true
                case Token.timer:
                    host.timer.drain()
                    endPatience()
                case Token.listener:
                    flags.hasCallers = true
                default:
                    guard let connection = table[token: event.token] else { continue }
                    note(event.events, on: connection)
                }
            }
            if events.count < 64 { break }
        }
        return again
    }

    private mutating func note(_ events: EventLoop.Events, on connection: VsockConnection) {
        if !events.isDisjoint(with: .input) {
            connection.host.hasInput = true
        }
        if events.contains(.hangUp) || events.contains(.error) { hostLeft(connection) }
        if events.contains(.writable), !connection.guest.backlog.isEmpty { drain(connection) }
        if connection.phase == .greeting { greet(connection) }
        schedule(connection)
    }

    /// Gives it a turn, or asks the guest for credit if that is all it lacks.
    mutating func schedule(_ connection: VsockConnection) {
        if connection.canReceive, connection.host.credit == 0, !connection.host.hasAsked {
            connection.host.hasAsked = true
            connection.pending.insert(.creditRequest)
        }
        guard table[token: connection.token] != nil else { return }
        table.schedule(connection)
    }

    // MARK: Calls of the host

    mutating func acceptCallers() {
        while !table.isFull {
            do throws(Errno) {
                let socket = try UnixSocket.accept(on: host.listener.rawValue)
                let ports = VsockPorts(host: 0, guest: 0)
                guard let connection = open(socket, ports: ports, phase: .greeting) else { return }
                connection.deadline = Clock.monotonic &+ greetingPatience
                setAlarm(connection.deadline)
                greet(connection)
                schedule(connection)
            } catch .interrupted {
                continue
            } catch {
                // Without a descriptor to spare the rest wait until a connection ends.
                flags.hasCallers = error != .again
                return
            }
        }
    }

    /// Reads `CONNECT <port>\n`, not a byte more.
    private mutating func greet(_ connection: VsockConnection) {
        // The caller may have left at once: then there is no such connection any more.
        guard table[token: connection.token] != nil else { return }
        let socket = connection.socket.rawValue
        let waiting: [UInt8]
        do throws(Errno) {
            waiting = try UnixSocket.peek(socket, limit: Self.greetingLimit)
        } catch {
            if error != .again, error != .interrupted { close(connection) }
            return
        }
        guard let end = waiting.firstIndex(of: 0x0a) else {
            // The caller has left, or says what nobody understands.
            if waiting.isEmpty || waiting.count == Self.greetingLimit { close(connection) }
            return
        }
        var line = [UInt8](repeating: 0, count: end + 1)
        guard (try? connection.socket.read(into: &line)) == line.count,
            let port = Self.port(in: line[..<end])
        else { return close(connection) }
        connection.ports = VsockPorts(host: freePort(for: port), guest: port)
        connection.phase = .requested
        connection.pending.insert(.request)
        connection.deadline = Clock.monotonic &+ Self.patience
        setAlarm(connection.deadline)
        table.publish(connection)
    }

    static func port(in line: ArraySlice<UInt8>) -> UInt32? {
        let words = line.split { $0 == 0x20 || $0 == 0x0d }
        guard words.count == 2, String(decoding: words[0], as: UTF8.self).uppercased() == "CONNECT",
            words[1].allSatisfy({ $0 >= 0x30 && $0 <= 0x39 })
        else { return nil }
        return UInt32(String(decoding: words[1], as: UTF8.self))
    }

    private mutating func freePort(for guest: UInt32) -> UInt32 {
        repeat {
            nextPort = nextPort == .max - 1 ? 1 << 30 : nextPort + 1
        } while table[VsockPorts(host: nextPort, guest: guest)] != nil
        return nextPort
    }

    // MARK: Opening and closing

    /// Puts a socket in the table and watches it; nil, and the socket closed, if that fails.
    mutating func open(
        _ socket: consuming FileDescriptor, ports: VsockPorts, phase: VsockConnection.Phase
    ) -> VsockConnection? {
        guard let connection = table.insert(socket, ports: ports, phase: phase) else { return nil }
        do throws(Errno) {
            try host.poller.add(connection.socket.rawValue, token: connection.token)
        } catch {
            table.remove(connection)
            return nil
        }
        connection.host.hasInput = true
        statistics.connections &+= 1
        return connection
    }

    /// Closes what a reset has ended, before there can be more.
    mutating func closeEnded() {
        guard !over.isEmpty else { return }
        for connection in over { host.poller.remove(connection.socket.rawValue) }
        statistics.closed &+= UInt64(over.count)
        over.removeAll()
    }

    /// Forgets a connection on this side.
    mutating func close(_ connection: VsockConnection) {
        guard table[token: connection.token] != nil else { return }
        statistics.closed &+= 1
        host.poller.remove(connection.socket.rawValue)
        connection.pending = []
        table.remove(connection)
        // There is room for the next caller.
        if flags.hasCallers { host.again.signal() }
    }

    /// Sends on what the socket had not taken.
    private mutating func drain(_ connection: VsockConnection) {
        while !connection.guest.backlog.isEmpty {
            do throws(Errno) {
                let sent = try connection.guest.backlog.send(to: connection.socket.rawValue)
                connection.guest.forwarded &+= UInt32(sent)
            } catch .again {
                break
            } catch .interrupted {
                continue
            } catch {
                hostLeft(connection)
            }
        }
        if connection.guest.owesCredit, connection.phase != .draining {
            connection.pending.insert(.creditUpdate)
        }
        guard connection.guest.backlog.isEmpty else { return }
        if connection.phase == .draining { return close(connection) }
        if connection.guest.ended.contains(.send) {
            UnixSocket.shutdown(connection.socket.rawValue, .writing)
        }
    }

    /// Nobody at the host reads any more; what is still there for the guest is read first.
    mutating func hostLeft(_ connection: VsockConnection) {
        guard !connection.host.isGone else { return }
        connection.host.isGone = true
        let lost = connection.guest.backlog.count
        if lost > 0 { statistics.flushFailures &+= 1 }
        connection.guest.backlog.removeAll()
        connection.guest.forwarded &+= UInt32(lost)
        switch connection.phase {
        case .greeting, .draining: close(connection)
        case .requested: abandon(connection)
        case .closing: break
        case .connected:
            connection.pending.insert(.shutdown)
            if connection.guest.ended.contains(.receive) { connection.host.hasEnded = true }
            connection.host.hasInput = true
            if connection.host.hasEnded { beginClosing(connection) }
        }
    }

    /// Both halves are over for the host: the guest has a while to agree.
    mutating func beginClosing(_ connection: VsockConnection) {
        guard connection.phase == .connected else { return }
        connection.phase = .closing
        connection.deadline = Clock.monotonic &+ Self.patience
        setAlarm(connection.deadline)
    }

    // MARK: Patience

    private mutating func setAlarm(_ deadline: UInt64) {
        guard deadline < flags.alarm else { return }
        flags.alarm = deadline
        host.timer.arm(at: deadline)
    }

    /// Ends the connections whose guest did not answer in time, and callers that never said to which
    /// port, of whom the guest has not heard: they would fill the table.
    private mutating func endPatience() {
        let now = Clock.monotonic
        flags.alarm = .max
        for connection in table.all where connection.deadline != .max {
            guard connection.deadline <= now else {
                setAlarm(connection.deadline)
                continue
            }
            guard connection.phase == .greeting else {
                abandon(connection)
                continue
            }
            // What it has said while nobody looked, as in a pause, counts.
            greet(connection)
            if connection.phase == .greeting { close(connection) } else { schedule(connection) }
        }
    }

    /// Ends a connection that the guest may know. If it takes no packets it need not be told: its
    /// next one will be answered.
    private mutating func abandon(_ connection: VsockConnection) {
        statistics.abandoned &+= 1
        if resets.count < Self.resetLimit { resets.append(connection.ports) }
        close(connection)
    }
}
