// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// Bytes on their way from one end of a relay to the other.
private struct Flow {
    private static var capacity: Int { 64 * 1024 }
    /// Reads before it is somebody else's turn.
    private static var turns: Int { 4 }

    private var storage: [UInt8] = []
    private var start = 0
    private var end = 0
    /// The end that writes has ended its half.
    private(set) var hasEnded = false
    /// The end that reads knows that.
    private var isTold = false
    /// The end that reads takes no more for now.
    private(set) var isBlocked = false

    var isEmpty: Bool { start == end }
    var isOver: Bool { isTold }
    /// There is room, and something may come.
    var wantsMore: Bool { !hasEnded && isEmpty }

    /// Moves bytes until one end has no more or the other takes no more. False: an end is gone.
    mutating func move(from source: borrowing Descriptor, to sink: borrowing Descriptor) -> Bool {
        for _ in 0..<Self.turns {
            guard flush(to: sink) else { return false }
            guard wantsMore else { break }
            if storage.isEmpty { storage = [UInt8](repeating: 0, count: Self.capacity) }
            let count = source.read(into: &storage, from: 0, limit: storage.count)
            if Errno.isTransient(count) { return true }
            guard count >= 0 else { return false }
            hasEnded = count == 0
            start = 0
            end = Int(count)
        }
        guard flush(to: sink) else { return false }
        if hasEnded && isEmpty && !isTold {
            guest_end_writing(sink.number)
            isTold = true
        }
        return true
    }

    private mutating func flush(to sink: borrowing Descriptor) -> Bool {
        isBlocked = false
        while !isEmpty {
            let count = sink.write(storage, start..<end)
            if Errno.isTransient(count) {
                isBlocked = true
                return true
            }
            guard count > 0 else { return false }
            start += Int(count)
        }
        return true
    }
}

/// A channel that has become a connection to a TCP port of the guest: bytes both ways, each way
/// ended on its own. No more than 128 KiB of it are here.
struct Relay: ~Copyable {
    private let port: UInt16
    private let events: Int32
    private let token: UInt64
    private var server: Watched
    private var isIPv6: Bool
    private var toGuest = Flow()
    private var toHost = Flow()
    /// The server has answered, and the host been told.
    private(set) var isConnected = false

    enum Opening: ~Copyable {
        case opened(Relay)
        case failed(Int32)
    }

    /// Begins to connect; events of the server's come under `token`.
    static func open(port: UInt16, token: UInt64, events: Int32) -> Opening {
        for isIPv6 in [false, true] {
            let result = guest_connect_port(port, isIPv6 ? 1 : 0)
            guard let socket = Descriptor(result) else {
                if isIPv6 { return .failed(result) }
                continue
            }
            return .opened(
                Relay(socket, port: port, isIPv6: isIPv6, token: token, events: events))
        }
        return .failed(-Errno.inputOutput)
    }

    private init(
        _ socket: consuming Descriptor, port: UInt16, isIPv6: Bool, token: UInt64, events: Int32
    ) {
        self.port = port
        self.isIPv6 = isIPv6
        self.token = token
        self.events = events
        server = Watched(socket, token: token)
        server.watch(GUEST_WRITABLE, on: events)
    }

    /// What has become of the connection: 1, it is there; 0, not yet; or a negated errno. A server
    /// may listen to IPv6 alone.
    mutating func finishConnecting() -> Int32 {
        let result = guest_connected(server.descriptor.number)
        guard result != 0 else {
            isConnected = true
            return 1
        }
        guard !isIPv6 else { return result }
        guard let socket = Descriptor(guest_connect_port(port, 1)) else { return result }
        server.watch(0, on: events)
        isIPv6 = true
        server = Watched(socket, token: token)
        server.watch(GUEST_WRITABLE, on: events)
        return 0
    }

    /// Moves what can be moved. False: the connection is over.
    mutating func move(_ host: inout Watched) -> Bool {
        guard toGuest.move(from: host.descriptor, to: server.descriptor),
            toHost.move(from: server.descriptor, to: host.descriptor)
        else { return false }
        if toGuest.isOver && toHost.isOver { return false }
        if toGuest.hasEnded && guest_is_gone(host.descriptor.number) != 0 { return false }
        watch(&host)
        return true
    }

    private mutating func watch(_ host: inout Watched) {
        let hostEvents = Self.events(reading: toGuest, writing: toHost)
        let serverEvents = Self.events(reading: toHost, writing: toGuest)
        host.watch(hostEvents, on: events)
        server.watch(serverEvents, on: events)
    }

    /// What to wait for at an end; where it is neither to read nor to write, that it goes.
    private static func events(reading: Flow, writing: Flow) -> UInt32 {
        let wanted =
            (reading.wantsMore ? GUEST_READABLE : 0)
            | (writing.isBlocked ? GUEST_WRITABLE : 0)
        return wanted == 0 ? GUEST_PEER : wanted
    }
}
