// SPDX-License-Identifier: Apache-2.0
import Boot
import Devices

extension BalloonStatus {
    /// Whether free pages can be hinted.
    package var canHint: Bool { options.hints }

    /// Sizes and what the guest said, with the names that Firecracker's API gives them.
    package var named: [(name: String, value: UInt64)] {
        var all: [(String, UInt64)] = [
            ("target_pages", UInt64(targetPages)), ("actual_pages", UInt64(actualPages)),
            ("target_mib", UInt64(targetPages >> 8)), ("actual_mib", UInt64(actualPages >> 8)),
        ]
        for field in BalloonStatistics.fields {
            if let value = statistics[keyPath: field.path] { all.append((field.name, value)) }
        }
        return all
    }
}

extension Machine {
    /// What virtio devices the guest has, and where it finds them.
    package var deviceWindows: [(kind: String, base: UInt64, interrupt: UInt32)] {
        zip(board.kinds, board.descriptions).map { ("\($0)", $1.base, $1.gsi) }
    }

    /// Counts of the links to the metadata, with Firecracker's names.
    package var metadataCounts: [(name: String, value: UInt64)] {
        let all = board.metadata.map(\.counts)
        let sum = { (path: KeyPath<MetadataCounts, UInt64>) in
            all.reduce(UInt64(0)) { $0 &+ $1[keyPath: path] }
        }
        return [
            ("rx_accepted", sum(\.accepted)), ("rx_accepted_err", sum(\.malformed)),
            ("rx_accepted_unusual", sum(\.unusual)),
            ("rx_bad_eth", sum(\.foreign)), ("tx_errors", sum(\.lost)),
            (
                "rx_count",
                sum(\.accepted) &+ sum(\.malformed) &+ sum(\.unusual) &+ sum(\.foreign)
            ),
            ("tx_frames", sum(\.sentFrames)), ("tx_count", sum(\.sentFrames)),
            ("tx_bytes", sum(\.sentBytes)), ("connections_created", sum(\.opened)),
            ("connections_destroyed", sum(\.closed)),
        ]
    }
}
