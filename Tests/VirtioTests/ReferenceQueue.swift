// SPDX-License-Identifier: Apache-2.0
import Memory
import Support

@testable import Virtio

/// A split ring as the standard tells it, in arrays; slow and plain. VIRTIO 1.2, 2.7.
struct ReferenceQueue {
    /// What a chain holds, or that its driver broke the ring.
    enum Answer: Equatable {
        case nothing
        case chain(head: UInt16, readable: [Piece], writable: [Piece])
        case broken
    }

    struct Piece: Equatable {
        var address: UInt64
        var count: UInt64
    }

    static let tableBase: UInt64 = 0x30_0000

    let size: UInt16
    let features: FeatureSet
    var table: [Descriptor]
    /// The one indirect table that there is, at ``tableBase``.
    var indirect: [Descriptor]
    var available: [UInt16] = []
    var used: [UsedElement] = []
    /// Completed, ever, modulo 65,536, and the same when the driver was last considered.
    var usedIndex: UInt16
    var signalled: UInt16
    /// The driver's wishes.
    var usedEvent: UInt16 = 0
    var isSilent = false

    init(size: UInt16, features: FeatureSet, start: UInt16) {
        self.size = size
        self.features = features
        let empty = Descriptor(address: 0, length: 0)
        table = Array(repeating: empty, count: Int(size))
        indirect = Array(repeating: empty, count: Int(size))
        usedIndex = start
        signalled = start
    }

    /// The next chain; it stays available.
    func peek() -> Answer {
        guard let head = available.first else { return .nothing }
        guard head < size else { return .broken }
        var pieces: [(descriptor: Descriptor, isWritable: Bool)] = []
        guard walk(table, from: head, mayNest: true, &pieces) else { return .broken }
        var readable: [Piece] = []
        var writable: [Piece] = []
        for (descriptor, isWritable) in pieces {
            // All that is read comes before all that is written.
            let isLate =
                !isWritable && pieces.prefix { !$0.isWritable }.count < readableCount(pieces)
            if isLate { return .broken }
            guard descriptor.length > 0 else { continue }
            guard isRAM(descriptor.address, UInt64(descriptor.length)) else { return .broken }
            let piece = Piece(address: descriptor.address, count: UInt64(descriptor.length))
            if isWritable { writable.append(piece) } else { readable.append(piece) }
        }
        return .chain(head: head, readable: readable, writable: writable)
    }

    private func readableCount(_ pieces: [(descriptor: Descriptor, isWritable: Bool)]) -> Int {
        pieces.filter { !$0.isWritable }.count
    }

    private func isRAM(_ address: UInt64, _ count: UInt64) -> Bool {
        let (end, wraps) = address.addingReportingOverflow(count)
        return !wraps && end <= UInt64(32 << 20)
    }

    /// Follows the links; false if they lead astray.
    private func walk(
        _ table: [Descriptor], from head: UInt16, mayNest: Bool,
        _ pieces: inout [(descriptor: Descriptor, isWritable: Bool)]
    ) -> Bool {
        var index = Int(head)
        while true {
            guard index < table.count else { return false }
            let descriptor = table[index]
            let hasNext = descriptor.flags & 1 != 0
            if descriptor.flags & 4 != 0 {
                guard mayNest, !hasNext, features.contains(.indirectDescriptors) else {
                    return false
                }
                let count = Int(descriptor.length) / 16
                guard descriptor.length % 16 == 0, count > 0, count <= Int(size),
                    isRAM(descriptor.address, UInt64(descriptor.length))
                else { return false }
                let nested =
                    descriptor.address == Self.tableBase
                    ? Array(indirect.prefix(count)) : zeroes(count)
                return walk(nested, from: 0, mayNest: false, &pieces)
            }
            guard pieces.count < Int(size) else { return false }
            pieces.append((descriptor, descriptor.flags & 2 != 0))
            guard hasNext else { return true }
            index = Int(descriptor.next)
        }
    }

    private func zeroes(_ count: Int) -> [Descriptor] {
        Array(repeating: Descriptor(address: 0, length: 0), count: count)
    }

    mutating func complete(_ head: UInt16, _ written: UInt32) {
        used.append(UsedElement(id: UInt32(head), length: written))
        usedIndex &+= 1
    }

    /// Whether the driver is to be interrupted for what was completed since this was last asked.
    mutating func takeInterrupt() -> Bool {
        defer { signalled = usedIndex }
        guard features.contains(.eventIndex) else { return signalled != usedIndex && !isSilent }
        var index = signalled
        while index != usedIndex {
            if index == usedEvent { return true }
            index &+= 1
        }
        return false
    }
}
