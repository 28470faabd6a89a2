// SPDX-License-Identifier: Apache-2.0
import Devices
import Virtio

/// How often something took how long; times in nanoseconds.
package struct LatencyReading: Sendable {
    package var count: UInt64
    package var sum: UInt64
    package var least: UInt64
    package var most: UInt64
    /// Upper bounds of the buckets; one more bucket follows.
    package var bounds: [UInt64]
    /// Not cumulative.
    package var buckets: [UInt64]

    init(_ latency: Latency) {
        count = latency.count
        sum = latency.sum
        least = latency.leastOrZero
        most = latency.most
        let bounds = Latency.bounds
        self.bounds = bounds.indices.map { bounds[$0] }
        buckets = latency.counts
    }
}

/// What one device has counted since it was made, with Firecracker's names.
package struct DeviceReading: Sendable {
    /// Its kind, such as `block`.
    package var group: String
    /// What tells it from others of its kind; nil: there is one at most.
    package var id: String?
    package var counts: [(name: String, value: UInt64)]
    package var latencies: [(name: String, reading: LatencyReading)] = []
    package var interrupts: UInt64 = 0
    package var configurationChanges: UInt64 = 0

    init(_ group: String, _ id: String? = nil, _ counts: [(name: String, value: UInt64)]) {
        self.group = group
        self.id = id
        self.counts = counts
    }

    /// With what every virtio device has.
    fileprivate init(
        _ group: String, _ id: String? = nil, _ transport: TransportCounts, failures: String?,
        _ counts: [(name: String, value: UInt64)]
    ) {
        self.init(group, id, counts)
        self.counts.append(("activate_fails", transport.failedActivations))
        if let failures { self.counts.append((failures, transport.allBrokenRings)) }
        interrupts = transport.interrupts
        configurationChanges = transport.configurationChanges
    }
}

extension TransportCounts {
    /// Of all queues.
    fileprivate var allNotifications: UInt64 {
        notifications.indices.reduce(0) { $0 &+ notifications[$1] }
    }

    /// By whatever was served.
    fileprivate var allBrokenRings: UInt64 {
        brokenRings.indices.reduce(0) { $0 &+ brokenRings[$1] }
    }

    /// Of every second queue from `first` on, `count` of them.
    fileprivate func notifications(from first: Int, count: Int) -> UInt64 {
        stride(from: first, to: min(notifications.count, first + 2 * count), by: 2)
            .reduce(0) { $0 &+ notifications[$1] }
    }
}

extension Board {
    /// What the devices have counted. Takes each device's lock for a moment.
    var readings: [DeviceReading] {
        var all = drives.map { Self.reading(ofDrive: $0.key, $0.value) }
        all += networks.map { Self.reading(ofNetwork: $0.key, $0.value) }
        all += pmems.map { Self.reading(ofPmem: $0.key, $0.value) }
        all += [
            vsock.map(Self.reading), entropy.map(Self.reading), balloon.map(Self.reading),
            hotplug.map(Self.reading),
        ].compactMap { $0 }
        return all + [serialReading, keyboardReading]
    }

    private static func reading(
        ofDrive id: String, _ drive: MMIOTransport<Block>
    ) -> DeviceReading {
        let transport = drive.counts
        return drive.withDevice { device in
            let tally = device.tally
            var reading = DeviceReading(
                "block", id, transport, failures: "event_fails",
                [
                    ("cfg_fails", transport.wrongConfigurations),
                    ("rate_limiter_event_count", device.limiterEvents),
                    ("no_avail_buffer", tally.idle), ("execute_fails", tally.failures),
                    ("invalid_reqs_count", device.statistics.violations),
                    ("flush_count", tally.flushes),
                    ("queue_event_count", transport.allNotifications),
                    ("update_count", tally.updates), ("update_fails", tally.failedUpdates),
                    ("read_bytes", tally.readBytes), ("write_bytes", tally.writtenBytes),
                    ("read_count", tally.reads.count), ("write_count", tally.writes.count),
                    ("rate_limiter_throttled_events", device.limiterWaits),
                    ("io_engine_throttled_events", tally.full),
                ])
            reading.latencies = [
                ("read_agg", LatencyReading(tally.reads)),
                ("write_agg", LatencyReading(tally.writes)),
            ]
            return reading
        }
    }

    private static func reading(
        ofNetwork id: String, _ network: MMIOTransport<Net>
    ) -> DeviceReading {
        let transport = network.counts
        return network.withDevice { device in
            let counts = device.statistics
            let waits = device.limiterWaits
            let events = device.limiterEvents
            var reading = DeviceReading(
                "net", id, transport, failures: "event_fails",
                [
                    ("cfg_fails", transport.wrongConfigurations),
                    ("rx_event_rate_limiter_count", events.receive),
                    ("tx_rate_limiter_event_count", events.transmit),
                    ("tx_spoofed_mac_count", counts.spoofed),
                    ("no_rx_avail_buffer", counts.starved), ("no_tx_avail_buffer", counts.idle),
                    ("rx_queue_event_count", transport.notifications(from: 0, count: 3)),
                    ("tx_queue_event_count", transport.notifications(from: 1, count: 3)),
                    ("rx_rate_limiter_throttled", waits.receive),
                    ("tx_rate_limiter_throttled", waits.transmit),
                    ("rx_tap_event_count", counts.linkEvents),
                    ("rx_bytes_count", counts.receivedBytes),
                    ("rx_packets_count", counts.receivedFrames),
                    ("rx_count", counts.receivedFrames), ("rx_fails", counts.oversized),
                    ("tap_read_fails", counts.readFailures), ("tap_write_fails", counts.refused),
                    ("tx_bytes_count", counts.sentBytes), ("tx_packets_count", counts.sentFrames),
                    ("tx_count", counts.sentFrames),
                    ("tx_malformed_frames", counts.violations), ("tx_fails", counts.refused),
                ])
            reading.latencies = [("tap_write_agg", LatencyReading(device.writes))]
            return reading
        }
    }

    private static func reading(ofPmem id: String, _ pmem: MMIOTransport<Pmem>) -> DeviceReading {
        let transport = pmem.counts
        return pmem.withDevice { device in
            DeviceReading(
                "pmem", id, transport, failures: "event_fails",
                [
                    ("cfg_fails", transport.wrongConfigurations),
                    ("queue_event_count", transport.allNotifications),
                    ("rate_limiter_throttled_events", device.limiterWaits),
                    ("rate_limiter_event_count", device.limiterEvents),
                ])
        }
    }

    private static func reading(_ vsock: MMIOTransport<Vsock>) -> DeviceReading {
        let transport = vsock.counts
        return vsock.withDevice { device in
            let counts = device.statistics
            return DeviceReading(
                "vsock", nil, transport, failures: nil,
                [
                    ("cfg_fails", transport.wrongConfigurations),
                    ("rx_queue_event_fails", transport.brokenRings[0]),
                    ("tx_queue_event_fails", transport.brokenRings[1]),
                    ("ev_queue_event_fails", transport.brokenRings[2]),
                    ("muxer_event_fails", transport.brokenRings[TransportCounts.hostSide]),
                    ("rx_queue_event_count", transport.notifications[0]),
                    ("tx_queue_event_count", transport.notifications[1]),
                    ("rx_bytes_count", counts.bytesToGuest),
                    ("tx_bytes_count", counts.bytesFromGuest),
                    ("rx_packets_count", counts.packetsToGuest),
                    ("tx_packets_count", counts.packetsFromGuest),
                    ("conns_added", UInt64(counts.connections)), ("conns_removed", counts.closed),
                    ("conns_killed", counts.abandoned), ("conn_event_fails", counts.violations),
                    ("rx_read_fails", counts.readFailures),
                    ("tx_write_fails", counts.writeFailures),
                    ("tx_flush_fails", counts.flushFailures),
                ])
        }
    }

    private static func reading(_ entropy: MMIOTransport<Entropy>) -> DeviceReading {
        let transport = entropy.counts
        return entropy.withDevice { device in
            DeviceReading(
                "entropy", nil, transport, failures: "entropy_event_fails",
                [
                    ("entropy_event_count", transport.allNotifications),
                    ("entropy_bytes", device.byteCount), ("host_rng_fails", device.failures),
                    ("entropy_rate_limiter_throttled", device.limiterWaits),
                    ("rate_limiter_event_count", device.limiterEvents),
                ])
        }
    }

    private static func reading(_ balloon: MMIOTransport<Balloon>) -> DeviceReading {
        let transport = balloon.counts
        return balloon.withDevice { device in
            let counts = device.counts
            return DeviceReading(
                "balloon", nil, transport, failures: "event_fails",
                [
                    ("inflate_count", counts.inflations), ("deflate_count", counts.deflations),
                    ("stats_updates_count", counts.reports),
                    ("stats_update_fails", counts.wrongReports),
                    ("free_page_report_count", counts.free.chains),
                    ("free_page_report_freed", counts.free.bytes),
                    ("free_page_report_fails", counts.free.failures),
                    ("free_page_hint_count", counts.hinted.chains),
                    ("free_page_hint_freed", counts.hinted.bytes),
                    ("free_page_hint_fails", counts.hinted.failures),
                ])
        }
    }

    private static func reading(_ memory: MMIOTransport<MemoryDevice>) -> DeviceReading {
        let transport = memory.counts
        return memory.withDevice { device in
            let counts = device.counts
            var reading = DeviceReading(
                "memory_hotplug", nil, transport, failures: "queue_event_fails",
                [
                    ("queue_event_count", transport.allNotifications),
                    ("plug_count", counts.plugs.times.count), ("plug_bytes", counts.plugs.bytes),
                    ("plug_fails", counts.plugs.failures),
                    ("unplug_count", counts.unplugs.times.count),
                    ("unplug_bytes", counts.unplugs.bytes),
                    ("unplug_fails", counts.unplugs.failures),
                    ("unplug_discard_fails", counts.keptByHost),
                    ("unplug_all_count", counts.unplugAlls.times.count),
                    ("unplug_all_fails", counts.unplugAlls.failures),
                    ("state_count", counts.states.times.count),
                    ("state_fails", counts.states.failures),
                ])
            reading.latencies = [
                ("plug_agg", LatencyReading(counts.plugs.times)),
                ("unplug_agg", LatencyReading(counts.unplugs.times)),
                ("unplug_all_agg", LatencyReading(counts.unplugAlls.times)),
                ("state_agg", LatencyReading(counts.states.times)),
            ]
            return reading
        }
    }

    private var serialReading: DeviceReading {
        let counts = serial.counts
        return DeviceReading(
            "uart", nil,
            [
                ("read_count", counts.reads), ("write_count", counts.writes),
                ("missed_read_count", counts.wideReads),
                ("missed_write_count", serial.droppedBytes &+ counts.wideWrites),
                ("error_count", counts.failures),
                ("rate_limiter_dropped_bytes", counts.aboveLimit),
            ])
    }

    private var keyboardReading: DeviceReading {
        let counts = keyboard.counts
        return DeviceReading(
            "i8042", nil,
            [
                ("read_count", counts.reads), ("write_count", counts.writes),
                ("reset_count", counts.resets), ("error_count", counts.lost),
                ("missed_read_count", counts.emptyReads),
                ("missed_write_count", counts.unknownCommands),
            ])
    }
}

extension Machine {
    /// What its devices have counted since the start. Any thread.
    package var deviceReadings: [DeviceReading] { board.readings }
}
