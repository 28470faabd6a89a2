// SPDX-License-Identifier: Apache-2.0
import Devices
import Memory
import Virtio

/// What a running machine's balloon is and has.
package struct BalloonStatus: Sendable {
    package var options: BalloonOptions
    /// Pages of 4 KiB that it is to have, and that the guest says it has.
    package var targetPages: UInt32
    package var actualPages: UInt32
    /// Seconds; 0: no statistics.
    package var interval: UInt16
    package var statistics: BalloonStatistics
    package var hostCommand: UInt32
    package var guestCommand: UInt32?
    /// Bytes that went back to the host since the start.
    package var discarded: UInt64
}

/// What a running machine can be given, has and is to have; all in bytes.
package struct HotplugStatus: Hashable, Sendable {
    package var total: UInt64
    package var blockSize: UInt64
    package var plugged: UInt64
    package var requested: UInt64
}

/// Memory that comes and goes while the machine runs. Any thread.
extension Machine {
    /// Nil if the machine has no balloon.
    package var balloonStatus: BalloonStatus? {
        board.balloon?.withDevice { balloon in
            BalloonStatus(
                options: balloon.options, targetPages: balloon.target,
                actualPages: balloon.actual, interval: balloon.interval,
                statistics: balloon.statistics, hostCommand: balloon.hinting.hostCommand,
                guestCommand: balloon.hinting.guestCommand, discarded: balloon.counts.discarded)
        }
    }

    /// Asks for a balloon of so many MiB; false if there is none, or the guest has less memory.
    package func setBalloon(mebibytes: UInt32) -> Bool {
        guard let balloon = board.balloon, UInt64(mebibytes) << 20 <= memory.byteCount else {
            return false
        }
        balloon.updateConfiguration { $0.setTarget(mebibytes << 8) }
        return true
    }

    /// Changes how often the guest is asked for statistics; false if there is no balloon, or if
    /// that would begin or end them.
    package func setBalloonStatistics(seconds: UInt16) -> Bool {
        board.balloon?.withDevice { $0.setStatisticsInterval(seconds) } ?? false
    }

    /// Begins a run of free page hinting; false if the balloon cannot.
    package func startHinting(acknowledgesStop: Bool) -> Bool {
        hint { $0.startHinting(acknowledgesStop: acknowledgesStop) }
    }

    /// Ends it; false if the balloon cannot.
    package func stopHinting() -> Bool { hint { $0.stopHinting() } }

    private func hint(_ change: (inout Balloon) -> Void) -> Bool {
        guard let balloon = board.balloon, balloon.withDevice({ $0.options.hints }) else {
            return false
        }
        balloon.updateConfiguration(change)
        return true
    }

    /// Nil if nothing can be plugged.
    package var hotplugStatus: HotplugStatus? {
        board.hotplug?.withDevice { device in
            HotplugStatus(
                total: device.byteCount, blockSize: device.blockSize,
                plugged: device.pluggedByteCount, requested: device.requestedByteCount)
        }
    }

    /// Asks the guest to have so many bytes plugged; false if there are no such blocks.
    package func setHotplug(requested: UInt64) -> Bool {
        guard let hotplug = board.hotplug else { return false }
        var isPossible = false
        hotplug.updateConfiguration { isPossible = $0.setRequested(requested) }
        return isPossible
    }
}
