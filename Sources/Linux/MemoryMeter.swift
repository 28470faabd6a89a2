// SPDX-License-Identifier: Apache-2.0
import CLinux

/// A process's share of the host's memory: pages that several have are divided among them (PSS).
/// proc_pid_smaps(5).
package final class MemoryMeter: Sendable {
    private let file: FileDescriptor

    /// For a process, while its files can be opened: one that has shut itself in is read by itself
    /// only, and goes on to read what it has opened before. Nil: this process.
    package init(of process: CInt? = nil) throws(Errno) {
        file = try FileDescriptor.open("/proc/\(process.map(String.init) ?? "self")/smaps_rollup")
    }

    /// Bytes; nil: the kernel does not say.
    package var share: UInt64? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let raw = file.rawValue
        let count = unsafe buffer.withUnsafeMutableBytes {
            unsafe clinux_pread(raw, $0.baseAddress, $0.count, 0)
        }
        guard count > 0 else { return nil }
        let lines = String(decoding: buffer[..<count], as: UTF8.self).split(separator: "\n")
        let line = lines.first { $0.hasPrefix("Pss:") }
        return line?.split(separator: " ").dropFirst().first.flatMap { UInt64($0) }.map { $0 << 10 }
    }
}
