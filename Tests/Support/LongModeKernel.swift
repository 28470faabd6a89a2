// SPDX-License-Identifier: Apache-2.0
import Foundation

/// A kernel of a few bytes in a file of its own, which goes with it.
package final class LongModeKernel {
    package let path: String

    /// - Parameter code: Runs in 64-bit mode at 1 MiB.
    package init(_ code: [UInt8]) throws {
        path =
            FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-tiny-\(UUID().uuidString)").path
        var bytes: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9)
        let add = { (value: UInt64, size: Int) in
            for byte in 0..<size { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * byte))) }
        }
        // An executable for this processor: entry, program headers at 64, none else.
        for (value, size) in [
            (2, 2), (62, 2), (1, 4), (0x10_0000, 8), (64, 8), (0, 8), (0, 4), (64, 2), (56, 2),
            (1, 2), (0, 2), (0, 2), (0, 2),
        ] as [(UInt64, Int)] { add(value, size) }
        // One segment to load, readable and executable.
        let count = UInt64(code.count)
        for (value, size) in [
            (1, 4), (5, 4), (120, 8), (0x10_0000, 8), (0x10_0000, 8), (count, 8), (count, 8),
            (4096, 8),
        ] as [(UInt64, Int)] { add(value, size) }
        try Data(bytes + code).write(to: URL(filePath: path))
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Counts for ever.
    package static let busy: [UInt8] = [0xff, 0xc0, 0xeb, 0xfc]
    /// Sleeps for ever, with interrupts off.
    package static let asleep: [UInt8] = [0xfa, 0xf4, 0xeb, 0xfd]
    /// Reads a port that has no device, for ever.
    package static let asking: [UInt8] = [0xe4, 0x80, 0xeb, 0xfc]
    /// Pulls the reset line, by a write of 0xfe to port 0x64.
    package static let resetting: [UInt8] = [0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe]
}
