// SPDX-License-Identifier: Apache-2.0
import Linux

extension GuestMemory {
    /// Copies the bytes in `range` of `file` in; false if the file ends before them or cannot be
    /// read.
    ///
    /// They go from file to file: a page that comes whole is not zeroed first, and no mapping of a
    /// file that somebody shortens can end the process.
    package func fill(
        from file: RegularFile, _ range: Range<Int>, at address: GuestAddress
    ) throws(MemoryError) -> Bool {
        let count = UInt64(range.count)
        guard let target = hostAddress(of: address, count: count) else {
            throw .outOfRange(address, count: count)
        }
        do throws(Errno) {
            // Files of huge pages take no writes, and persistent memory is another file's.
            if !usesHugePages, UInt64(target - layout.host) < fileByteCount {
                let copied = try file.copy(range, to: self.file, at: Int64(target - layout.host))
                didWrite(address, UInt64(copied))
                return copied == range.count
            }
        } catch {
            guard error == .invalid else { return false }
        }
        return try copy(from: file, range, at: address)
    }

    /// As ``fill(from:_:at:)``, by way of our own memory.
    private func copy(
        from file: RegularFile, _ range: Range<Int>, at address: GuestAddress
    ) throws(MemoryError) -> Bool {
        let step = 1 << 20
        for start in stride(from: range.lowerBound, to: range.upperBound, by: step) {
            let part = start..<min(start + step, range.upperBound)
            guard let bytes = try? file.bytes(in: part), bytes.count == part.count else {
                return false
            }
            try write(bytes, at: GuestAddress(address.rawValue &+ UInt64(start - range.lowerBound)))
        }
        return true
    }
}
