// SPDX-License-Identifier: Apache-2.0
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
