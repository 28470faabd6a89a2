// SPDX-License-Identifier: Apache-2.0
import CLinux
import Hypervisor

/// CPUID tables as `struct kvm_cpuid2` lays them out: a count, padding, and ten words an entry.
enum CPUIDWords {
    /// Words of an entry: leaf, index, flags, four registers, padding.
    static var count: Int { 10 }

    static func table(_ words: [UInt32]) -> CPUIDTable {
        let entries = min(Int(words[0]), (words.count - 2) / count)
        return CPUIDTable(
            (0..<entries).map { number in
                let place = 2 + number * count
                let flags = words[place + 2]
                var entry = CPUIDEntry(
                    leaf: words[place], index: words[place + 1],
                    isIndexed: flags & CKVM_CPUID_FLAG_SIGNIFCANT_INDEX != 0)
                entry.eax = words[place + 3]
                entry.ebx = words[place + 4]
                entry.ecx = words[place + 5]
                entry.edx = words[place + 6]
                return entry
            })
    }

    static func words(_ table: CPUIDTable) -> [UInt32] {
        var words: [UInt32] = [UInt32(truncatingIfNeeded: table.entries.count), 0]
        words.reserveCapacity(2 + table.entries.count * count)
        for entry in table.entries {
            let flags = entry.isIndexed ? CKVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0
            words += [
                entry.leaf, entry.index, flags, entry.eax, entry.ebx, entry.ecx, entry.edx, 0, 0, 0,
            ]
        }
        return words
    }

    // MARK: - As bytes, to keep them in a file

    /// Bytes of a table of so many entries.
    static func byteCount(_ entries: Int) -> Int { 4 * (2 + entries * count) }

    static func bytes(_ table: CPUIDTable) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(byteCount(table.entries.count))
        for word in words(table) {
            for shift in 0..<4 as Range<UInt32> {
                bytes.append(UInt8(truncatingIfNeeded: word >> (8 * shift)))
            }
        }
        return bytes
    }

    /// A table of as many entries as the bytes say; nil: they are none, or have another length.
    static func table(bytes: ArraySlice<UInt8>) -> CPUIDTable? {
        guard bytes.count % 4 == 0, bytes.count <= byteCount(KVMDevice.entryLimit) else {
            return nil
        }
        var words: [UInt32] = []
        words.reserveCapacity(bytes.count / 4)
        var place = bytes.startIndex
        while place < bytes.endIndex {
            words.append(
                UInt32(bytes[place]) | UInt32(bytes[place + 1]) << 8
                    | UInt32(bytes[place + 2]) << 16 | UInt32(bytes[place + 3]) << 24)
            place += 4
        }
        guard let entries = words.first, entries > 0,
            bytes.count == byteCount(Int(entries))
        else { return nil }
        return table(words)
    }
}
