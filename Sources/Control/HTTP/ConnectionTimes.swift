// SPDX-License-Identifier: Apache-2.0

/// Since when each connection of a server has been idle, or in the middle of something and no
/// further: so few that nobody may keep a place for nothing. It has no clock; who has tells it.
package struct ConnectionTimes: Sendable {
    /// What a connection is at after a turn.
    package struct Standing: Hashable, Sendable {
        /// Between two requests, with nothing to say.
        package var isIdle: Bool
        /// A request was answered or a part of a reply taken. Bytes of a request alone are none:
        /// a client could send one a second for ever.
        package var hasMoved: Bool

        package init(isIdle: Bool, hasMoved: Bool) {
            self.isIdle = isIdle
            self.hasMoved = hasMoved
        }
    }

    private struct Entry {
        var isIdle: Bool
        var since: UInt64
    }

    private let patience: UInt64
    private var entries: [CInt: Entry] = [:]

    /// - Parameter patience: How long a connection may stay in the middle without getting further.
    package init(patience: UInt64) { self.patience = patience }

    /// Notes how a turn of `connection` has left it.
    package mutating func note(_ connection: CInt, _ standing: Standing, at now: UInt64) {
        if let entry = entries[connection], entry.isIdle == standing.isIdle, !standing.hasMoved {
            return
        }
        entries[connection] = Entry(isIdle: standing.isIdle, since: now)
    }

    package mutating func remove(_ connection: CInt) { entries[connection] = nil }

    /// When ``overdue(at:)`` has the next one, if nothing happens until then; `.max`: never.
    package var deadline: UInt64 {
        var first = UInt64.max
        for entry in entries.values where !entry.isIdle {
            first = min(first, entry.since &+ patience)
        }
        return first
    }

    /// Connections that patience has ended for.
    package func overdue(at now: UInt64) -> [CInt] {
        entries.filter { !$0.value.isIdle && $0.value.since &+ patience <= now }.map(\.key).sorted()
    }

    /// The connection that makes room for another.
    package var longestIdle: CInt? {
        entries.filter(\.value.isIdle).min { $0.value.since < $1.value.since }?.key
    }
}
