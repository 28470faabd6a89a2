// SPDX-License-Identifier: Apache-2.0

/// A run in which the guest names all its free pages, once. VIRTIO 1.2, 5.5.6.6.
package struct BalloonHinting: Hashable, Sendable {
    /// The guest has named all of them, or is to stop.
    package static var stop: UInt32 { 0 }
    /// The guest may use again what it named.
    package static var done: UInt32 { 1 }

    /// What the host said last: ``stop``, ``done``, or the number of a run.
    package private(set) var hostCommand: UInt32 = BalloonHinting.stop
    /// What the guest said last; nil: nothing yet.
    package internal(set) var guestCommand: UInt32?
    /// Say ``done`` as soon as the guest says ``stop``.
    package private(set) var acknowledgesStop = true
    private var lastRun: UInt32 = 1

    package init() {}

    /// The guest hints for the run that the host asked for.
    var isRunning: Bool { hostCommand > Self.done && guestCommand == hostCommand }

    mutating func start(acknowledgesStop: Bool) {
        self.acknowledgesStop = acknowledgesStop
        lastRun = lastRun >= .max - 1 ? 2 : lastRun + 1
        hostCommand = lastRun
    }

    mutating func stop() { hostCommand = Self.done }

    /// The guest has said `command`; true if the host has an answer.
    mutating func guestSays(_ command: UInt32) -> Bool {
        let wasRunning = isRunning
        guestCommand = command
        guard wasRunning, command == Self.stop, acknowledgesStop else { return false }
        hostCommand = Self.done
        return true
    }
}
