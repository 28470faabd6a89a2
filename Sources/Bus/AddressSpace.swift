// SPDX-License-Identifier: Apache-2.0

/// A half-open range of ports or addresses.
package struct AddressRange: Hashable, Sendable {
    package let base: UInt64
    /// In bytes, at least 1; `base + count` does not wrap.
    package let count: UInt64

    package init(base: UInt64, count: UInt64) {
        self.base = base
        self.count = count
    }

    package func contains(_ address: UInt64) -> Bool { address &- base < count }

    package func overlaps(_ other: AddressRange) -> Bool {
        base < other.base &+ other.count && other.base < base &+ count
    }
}

/// Why a device got no place on a bus.
package enum BusError: Error, Hashable {
    case overlap(AddressRange, with: AddressRange)
    case emptyRange(AddressRange)
}

/// Which device answers where. Built once before the guest runs, then only read.
package struct AddressSpace: Sendable {
    private struct Entry: Sendable {
        let range: AddressRange
        let device: any BusDevice
    }

    /// Ascending by base.
    private var entries: [Entry] = []

    package init() {}

    /// Gives `range` to `device`.
    package mutating func insert(_ device: any BusDevice, at range: AddressRange) throws(BusError) {
        guard range.count > 0, !range.base.addingReportingOverflow(range.count).overflow
        else { throw .emptyRange(range) }
        if let other = entries.first(where: { $0.range.overlaps(range) }) {
            throw .overlap(range, with: other.range)
        }
        let index = entries.firstIndex { $0.range.base > range.base } ?? entries.endIndex
        entries.insert(Entry(range: range, device: device), at: index)
    }

    /// The device that holds all `size` bytes at `address`, and the offset in its range.
    package func device(
        at address: UInt64, size: Int
    ) -> (device: any BusDevice, offset: UInt64)? {
        for entry in entries where entry.range.contains(address) {
            let offset = address &- entry.range.base
            guard UInt64(size) <= entry.range.count &- offset else { return nil }
            return (entry.device, offset)
        }
        return nil
    }

    /// What the guest reads at `address`; all ones where nobody answers, as on an idle bus.
    package func read(_ address: UInt64, size: Int) -> UInt64 {
        guard let (device, offset) = device(at: address, size: size) else {
            return size == 8 ? .max : (1 << (UInt64(size) * 8)) - 1
        }
        return device.read(offset: offset, size: size)
    }

    /// What the guest writes at `address`; lost where nobody answers.
    package func write(_ address: UInt64, size: Int, value: UInt64) {
        guard let (device, offset) = device(at: address, size: size) else { return }
        device.write(offset: offset, size: size, value: value)
    }
}
