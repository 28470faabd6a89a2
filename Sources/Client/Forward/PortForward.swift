// SPDX-License-Identifier: Apache-2.0
import Linux

/// Ports of this host that lead to ports of a guest, as long as this value is served.
///
/// Call ``register(in:)``, wait ``milliseconds``, call ``serve()``, again and again. What it keeps is
/// bounded: so many connections, and of each no more than 128 KiB.
package final class PortForward {
    /// Most connections at a time; more wait in the kernel's queue. The guest's agent has 200
    /// channels, and others want some too.
    package static var connectionLimit: Int { 128 }

    /// Most connections at a time that are not answered yet: monitor and guest let only so many
    /// wait.
    private static var openingLimit: Int { 16 }

    /// A connection that could not be passed on.
    package struct Failure: Hashable, Sendable {
        package var guestPort: UInt16
        package var reason: String
    }

    /// A port of this host.
    private final class Entrance {
        let socket: FileDescriptor
        let rule: ForwardRule
        /// Somebody may be waiting.
        var isCalled = true

        init(_ socket: consuming FileDescriptor, _ rule: ForwardRule) {
            self.socket = socket
            self.rule = rule
        }
    }

    private let socket: String
    private let poller: Poller
    private let entrances: [Entrance]
    private var connections: [UInt64: ForwardedConnection] = [:]
    /// Those that are not answered yet.
    private var opening: Set<UInt64> = []
    private var lastName: UInt64 = 0
    /// Connections that can go on without being told of anything.
    private var ready: Set<UInt64> = []
    private var events: [Poller.Event] = []
    private var failures: [Failure] = []

    /// Begins to listen.
    ///
    /// - Parameter socket: Name of the monitor's vsock socket.
    package init(_ rules: [ForwardRule], by socket: String) throws(ClientError) {
        var entrances: [Entrance] = []
        for rule in rules { entrances.append(try Self.open(rule)) }
        do throws(Errno) {
            poller = try Self.watch(entrances)
        } catch {
            throw ClientError(.system, "cannot watch sockets: \(error)")
        }
        self.entrances = entrances
        self.socket = socket
    }

    /// The rules, with the ports that the kernel has chosen.
    package var rules: [ForwardRule] { entrances.map(\.rule) }

    /// Connections there are.
    package var connectionCount: Int { connections.count }

    package func register(in set: inout PollSet) {
        set.add(poller.descriptor.rawValue, .readable)
    }

    /// How long to wait at most; -1: for ever.
    package var milliseconds: CInt {
        if !ready.isEmpty { return 0 }
        // The deadline of an answer is no matter of milliseconds.
        return !opening.isEmpty || isShort ? 200 : -1
    }

    /// Goes as far as it can without waiting; what could not be passed on.
    package func serve() -> [Failure] {
        failures.removeAll()
        poller.poll(into: &events)
        var moving = ready
        ready.removeAll(keepingCapacity: true)
        for event in events {
            if let index = Int(exactly: event.token), index < entrances.count {
                entrances[index].isCalled = true
            } else {
                let name = event.token / 2
                let isGuest = event.token & 1 == 1
                if isGuest, event.events.contains(.hangUp) {
                    connections[name]?.guestIsGone = true
                } else if !isGuest, event.events.contains(.error) {
                    connections[name]?.clientIsGone = true
                }
                moving.insert(name)
            }
        }
        for name in moving { move(name) }
        let now = Clock.monotonic
        for name in opening where (connections[name]?.deadline ?? 0) <= now {
            close(name, because: "the guest does not answer")
        }
        for entrance in entrances where entrance.isCalled { admit(entrance) }
        return failures
    }
}

extension PortForward {
    private static func open(_ rule: ForwardRule) throws(ClientError) -> Entrance {
        do throws(Errno) {
            let socket = try TCPSocket.listen(at: rule.address, port: rule.port)
            var chosen = rule
            chosen.port = try TCPSocket.port(of: socket)
            return Entrance(socket, chosen)
        } catch {
            let hint =
                switch error {
                case .addressInUse: ": another program has that port"
                case .noAccess: ": ports below 1024 are root's"
                case .invalid: ": that is no numeric address"
                default: ": \(error)"
                }
            throw ClientError(.badConfiguration, "cannot listen at \(rule.place)\(hint)")
        }
    }

    private static func watch(_ entrances: [Entrance]) throws(Errno) -> Poller {
        let poller = try Poller()
        for (index, entrance) in entrances.enumerated() {
            try poller.add(entrance.socket.rawValue, token: UInt64(index))
        }
        return poller
    }

    private var hasRoom: Bool {
        connections.count < Self.connectionLimit && opening.count < Self.openingLimit
    }

    /// Somebody waits for whom there is no room among this process's files.
    private var isShort: Bool { hasRoom && entrances.contains { $0.isCalled } }

    /// Tokens of a connection are twice its name, and one more for the guest's end.
    private static var firstName: UInt64 { 1 << 32 }

    private func admit(_ entrance: Entrance) {
        while hasRoom {
            do throws(Errno) {
                let client = try TCPSocket.accept(on: entrance.socket.rawValue)
                admit(client, entrance.rule)
            } catch {
                switch error {
                case .again: entrance.isCalled = false
                case .interrupted, .aborted: continue
                default: break
                }
                return
            }
        }
    }

    private func admit(_ client: consuming FileDescriptor, _ rule: ForwardRule) {
        lastName += 1
        let name = Self.firstName + lastName
        do throws(Errno) {
            let connection = try ForwardedConnection(client, rule, by: socket)
            try poller.add(connection.client.rawValue, token: name * 2)
            try poller.add(connection.guest.rawValue, token: name * 2 + 1)
            connections[name] = connection
            opening.insert(name)
            move(name)
        } catch {
            failures.append(
                Failure(
                    guestPort: rule.guestPort, reason: "the machine cannot be reached: \(error)"))
        }
    }

    private func move(_ name: UInt64) {
        guard let connection = connections[name] else { return }
        let state = connection.move()
        if !connection.isOpening { opening.remove(name) }
        switch state {
        case .waiting: break
        case .ready: ready.insert(name)
        case .over: close(name)
        case .broken(let reason): close(name, because: reason)
        }
    }

    private func close(_ name: UInt64, because reason: String? = nil) {
        opening.remove(name)
        guard let connection = connections.removeValue(forKey: name) else { return }
        poller.remove(connection.client.rawValue)
        poller.remove(connection.guest.rawValue)
        guard let reason else { return }
        failures.append(Failure(guestPort: connection.rule.guestPort, reason: reason))
    }
}
