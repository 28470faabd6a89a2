// SPDX-License-Identifier: Apache-2.0
import Linux

/// All connections of a guest, and whose turn it is.
struct VsockTable {
    /// Connections at most, those under way included.
    static let limit = 1024
    /// Connections with a large buffer at most; the others have a small one, which bounds the
    /// memory of a guest to 64 × 256 KiB + 960 × 16 KiB, 31 MiB, and the store's 2 MiB.
    static let largeLimit = 64
    static let largeBuffer = 256 << 10
    static let smallBuffer = 16 << 10

    private let store = VsockStore()
    private var slots: [VsockConnection?]
    private var free: [Int]
    private var index: [VsockPorts: Int] = [:]
    private var largeCount = 0
    private var generation: UInt64 = 1
    /// Slots with a packet for the guest, in the order of their turn; each at most once.
    private var turns: [Int]
    private var firstTurn = 0
    private var turnCount = 0
    private var hasTurn: [Bool]

    init() {
        slots = Array(repeating: nil, count: Self.limit)
        free = Array((0..<Self.limit).reversed())
        turns = Array(repeating: 0, count: Self.limit)
        hasTurn = Array(repeating: false, count: Self.limit)
    }

    var count: Int { Self.limit - free.count }
    var isFull: Bool { free.isEmpty }

    /// Tokens hold the slot in their low 16 bits, so they are never zero and never used twice.
    private func slot(_ token: UInt64) -> Int { Int(token & 0xffff) }

    subscript(token token: UInt64) -> VsockConnection? {
        let slot = slot(token)
        guard slot < slots.count, let connection = slots[slot], connection.token == token
        else { return nil }
        return connection
    }

    subscript(ports: VsockPorts) -> VsockConnection? { index[ports].flatMap { slots[$0] } }

    /// All of them.
    var all: [VsockConnection] { slots.compactMap { $0 } }

    /// Makes a connection of `socket`; nil, and the socket closed, without room.
    mutating func insert(
        _ socket: consuming FileDescriptor, ports: VsockPorts, phase: VsockConnection.Phase
    ) -> VsockConnection? {
        guard let slot = free.popLast() else { return nil }
        let token = generation << 16 | UInt64(slot)
        generation &+= 1
        let isLarge = largeCount < Self.largeLimit
        if isLarge { largeCount += 1 }
        let connection = VsockConnection(
            socket, token: token, ports: ports, phase: phase,
            bufferSize: isLarge ? Self.largeBuffer : Self.smallBuffer, store: store)
        slots[slot] = connection
        return connection
    }

    /// Lets packets of the guest find it.
    mutating func publish(_ connection: VsockConnection) {
        index[connection.ports] = slot(connection.token)
    }

    /// Packets of the guest find it no more.
    mutating func unpublish(_ connection: VsockConnection) {
        guard index[connection.ports] == slot(connection.token) else { return }
        index[connection.ports] = nil
    }

    /// Forgets it.
    mutating func remove(_ connection: VsockConnection) {
        guard self[token: connection.token] != nil else { return }
        unpublish(connection)
        let slot = slot(connection.token)
        slots[slot] = nil
        free.append(slot)
        if connection.guest.backlog.capacity == Self.largeBuffer { largeCount -= 1 }
    }

    /// Forgets all of them, and answers them.
    mutating func takeAll() -> [VsockConnection] {
        let all = all
        for connection in all { remove(connection) }
        return all
    }

    // MARK: Turns

    /// Gives it a turn if it has a packet for the guest and none yet.
    mutating func schedule(_ connection: VsockConnection) {
        let slot = slot(connection.token)
        guard connection.hasPacket, !hasTurn[slot] else { return }
        hasTurn[slot] = true
        turns[(firstTurn + turnCount) % Self.limit] = slot
        turnCount += 1
    }

    /// Whose turn it is and has a packet, or nil.
    mutating func nextTurn() -> VsockConnection? {
        while turnCount > 0 {
            let slot = turns[firstTurn]
            firstTurn = (firstTurn + 1) % Self.limit
            turnCount -= 1
            hasTurn[slot] = false
            // The slot may have got another owner meanwhile; what counts is that there is work.
            if let connection = slots[slot], connection.hasPacket { return connection }
        }
        return nil
    }
}
