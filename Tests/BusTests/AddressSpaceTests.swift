// SPDX-License-Identifier: Apache-2.0
import Synchronization
import Testing

@testable import Bus

@Suite struct AddressSpaceTests {
    /// Remembers what was asked of it, and answers with a constant.
    final class Probe: BusDevice {
        struct Access: Hashable, Sendable {
            let offset: UInt64
            let size: Int
            var value: UInt64?
        }

        let answer: UInt64
        private let log = Mutex<[Access]>([])
        var accesses: [Access] { log.withLock { $0 } }

        init(answer: UInt64) { self.answer = answer }

        func read(offset: UInt64, size: Int) -> UInt64 {
            log.withLock { $0.append(Access(offset: offset, size: size)) }
            return answer
        }

        func write(offset: UInt64, size: Int, value: UInt64) {
            log.withLock { $0.append(Access(offset: offset, size: size, value: value)) }
        }
    }

    /// A read of a bus whose only device holds 0x100 to 0x10f.
    struct Read: CustomTestStringConvertible, Sendable {
        let rule: String
        let address: UInt64
        let size: Int
        /// Offset that the device sees; nil: it is not asked.
        let offset: UInt64?
        var testDescription: String { rule }
    }

    @Test(arguments: [
        Read(rule: "the first byte", address: 0x100, size: 1, offset: 0),
        Read(rule: "the last byte", address: 0x10f, size: 1, offset: 15),
        Read(rule: "the last eight bytes", address: 0x108, size: 8, offset: 8),
        Read(rule: "below", address: 0xff, size: 1, offset: nil),
        Read(rule: "from below into it", address: 0xff, size: 2, offset: nil),
        Read(rule: "above", address: 0x110, size: 1, offset: nil),
        Read(rule: "across the end", address: 0x10d, size: 4, offset: nil),
        Read(rule: "the last byte of all addresses", address: .max, size: 1, offset: nil),
        Read(rule: "across the end of all addresses", address: .max, size: 8, offset: nil),
    ])
    func `A device is asked for what lies wholly in its range, and for nothing else`(
        _ read: Read
    ) throws {
        let device = Probe(answer: 0x5a)
        var space = AddressSpace()
        try space.insert(device, at: AddressRange(base: 0x100, count: 0x10))

        let value = space.read(read.address, size: read.size)

        if let offset = read.offset {
            #expect(value == 0x5a)
            #expect(device.accesses == [Probe.Access(offset: offset, size: read.size)])
        } else {
            #expect(value == UInt64.max >> UInt64(64 - read.size * 8))
            #expect(device.accesses.isEmpty)
        }
    }

    @Test func `A write reaches the device that holds the address, one that nobody holds is lost`()
        throws
    {
        let low = Probe(answer: 0)
        let high = Probe(answer: 0)
        var space = AddressSpace()
        try space.insert(high, at: AddressRange(base: 0x200, count: 0x100))
        try space.insert(low, at: AddressRange(base: 0x100, count: 0x100))

        space.write(0x1fc, size: 4, value: 7)
        space.write(0x200, size: 4, value: 8)
        space.write(0x300, size: 4, value: 9)

        #expect(low.accesses == [Probe.Access(offset: 0xfc, size: 4, value: 7)])
        #expect(high.accesses == [Probe.Access(offset: 0, size: 4, value: 8)])
    }

    /// A second range on a bus where 0x100 to 0x10f is taken.
    struct Insertion: CustomTestStringConvertible, Sendable {
        let range: AddressRange
        let error: BusError?

        init(_ base: UInt64, _ count: UInt64, _ error: BusError? = nil) {
            range = AddressRange(base: base, count: count)
            self.error = error
        }
        var testDescription: String { "\(range.base)+\(range.count)" }
    }

    private static let taken = AddressRange(base: 0x100, count: 0x10)

    private static func overlap(_ base: UInt64, _ count: UInt64) -> Insertion {
        Insertion(base, count, .overlap(AddressRange(base: base, count: count), with: taken))
    }

    @Test(arguments: [
        Insertion(0xf0, 0x10), Insertion(0x110, 1), overlap(0xf0, 0x11), overlap(0x10f, 1),
        overlap(0x100, 0x10), overlap(0x80, 0x100), overlap(0x104, 4),
        Insertion(0x200, 0, .emptyRange(AddressRange(base: 0x200, count: 0))),
        Insertion(.max, 2, .emptyRange(AddressRange(base: .max, count: 2))),
    ])
    func `Ranges are not empty, do not wrap and do not overlap`(_ insertion: Insertion) throws {
        var space = AddressSpace()
        try space.insert(Probe(answer: 0), at: Self.taken)
        if let error = insertion.error {
            #expect(throws: error) {
                try space.insert(Probe(answer: 0), at: insertion.range)
            }
        } else {
            try space.insert(Probe(answer: 1), at: insertion.range)
            #expect(space.read(insertion.range.base, size: 1) == 1)
        }
    }
}
