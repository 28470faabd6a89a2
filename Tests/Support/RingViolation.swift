// SPDX-License-Identifier: Apache-2.0
import Memory
import Virtio

/// A ring of four entries that no driver may make, and what a queue says of it.
package struct RingViolation: Sendable, CustomStringConvertible {
    package let description: String
    package let error: VirtqueueError
    package let features: FeatureSet
    package let publish: @Sendable (inout DriverRing) -> Void

    init(
        _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
        _ publish: @escaping @Sendable (inout DriverRing) -> Void
    ) {
        description = rule
        self.error = error
        self.features = features
        self.publish = publish
    }

    /// The chain is published as the table holds it.
    static func chain(
        _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
        _ descriptors: [Descriptor]
    ) -> RingViolation {
        RingViolation(rule, error, features: features) { ring in
            for (index, descriptor) in descriptors.enumerated() {
                ring.setDescriptor(UInt16(index), descriptor)
            }
            ring.publish(head: 0)
        }
    }

    /// One indirect descriptor to `table`.
    static func indirect(
        _ rule: String, _ error: VirtqueueError, features: FeatureSet = .queue,
        length: UInt32? = nil, flags: UInt16 = 0, _ table: [Descriptor]
    ) -> RingViolation {
        RingViolation(rule, error, features: features) { ring in
            for (index, descriptor) in table.enumerated() {
                try? ring.memory.store(
                    descriptor, at: GuestAddress(tableBase + UInt64(index) * 16))
            }
            ring.setDescriptor(
                0,
                Descriptor(
                    address: tableBase, length: length ?? UInt32(table.count * 16),
                    flags: Descriptor.isIndirect | flags, next: 1))
            ring.publish(head: 0)
        }
    }

    /// Where buffers and indirect tables lie.
    package static let buffer: UInt64 = 0x20_0000
    static let tableBase: UInt64 = 0x30_0000
    static let end = UInt64(32 << 20)

    static func entry(
        _ address: UInt64 = buffer, _ length: UInt32 = 16, flags: UInt16 = 0,
        next: UInt16 = 0
    ) -> Descriptor { Descriptor(address: address, length: length, flags: flags, next: next) }

    static let more = Descriptor.hasNext
    static let write = Descriptor.isWritable

    package static let chains: [RingViolation] = [
        .chain("2.7.5: next stays inside the table", .next(4), [entry(flags: more, next: 4)]),
        .chain("2.7.5: next at its largest", .next(.max), [entry(flags: more, next: .max)]),
        .chain("2.7.5.2: a chain does not point at itself", .chainLength, [entry(flags: more)]),
        .chain(
            "2.7.5.2: a chain does not loop", .chainLength,
            [entry(flags: more, next: 1), entry(flags: more, next: 0)]),
        .chain(
            "2.7.5.2: a chain of more than the queue's size", .chainLength,
            (0..<4).map { entry(flags: more, next: ($0 + 1) % 4) }),
        .chain(
            "2.7.4.2: readable descriptors come first", .readableAfterWritable,
            [entry(flags: more | write, next: 1), entry()]),
        .chain(
            "2.7.4.2: also after a writable one without bytes", .readableAfterWritable,
            [entry(0, 0, flags: more | write, next: 1), entry()]),
        .chain(
            "2.7.4.2: readable and writable do not alternate", .readableAfterWritable,
            [entry(flags: more, next: 1), entry(flags: more | write, next: 2), entry()]),
        .chain(
            "a buffer beyond RAM", .buffer(GuestAddress(end), count: 16), [entry(end)]),
        .chain(
            "a buffer across RAM's end", .buffer(GuestAddress(end - 8), count: 16),
            [entry(end - 8)]),
        .chain(
            "a buffer in the device hole", .buffer(GuestAddress(0xc000_1000), count: 16),
            [entry(0xc000_1000)]),
        .chain(
            "a buffer whose end wraps", .buffer(GuestAddress(.max - 7), count: 16),
            [entry(.max - 7)]),
        .chain(
            "a buffer at the largest address", .buffer(GuestAddress(.max), count: .max),
            [entry(.max, .max, flags: write)]),
        .chain(
            "a length larger than RAM",
            .buffer(GuestAddress(buffer), count: .max), [entry(buffer, .max)]),
        .chain(
            "a second buffer that is bad", .buffer(GuestAddress(end), count: 1),
            [entry(flags: more, next: 1), entry(end, 1, flags: write)]),
        .chain(
            "2.7.5.3.1: indirect was not negotiated", .indirect,
            features: [.version1, .eventIndex],
            [entry(tableBase, 16, flags: Descriptor.isIndirect)]),
    ]

    package static let tables: [RingViolation] = [
        .indirect(
            "2.7.5.3.1: an indirect table holds none", .indirect,
            [entry(tableBase, 16, flags: Descriptor.isIndirect)]),
        .indirect("2.7.5.3.1: indirect with next", .indirect, flags: more, [entry()]),
        .indirect("an indirect table of no bytes", .indirectLength(0), length: 0, []),
        .indirect("an indirect table of 8 bytes", .indirectLength(8), length: 8, [entry()]),
        .indirect("an indirect table of 17 bytes", .indirectLength(17), length: 17, [entry()]),
        .indirect(
            "an indirect table larger than the queue", .indirectLength(80), length: 80, [entry()]),
        .indirect(
            "an indirect table of 4 GiB", .indirectLength(.max - 15), length: .max - 15, [entry()]),
        .indirect(
            "an indirect table that loops", .chainLength,
            [entry(flags: more, next: 1), entry(flags: more, next: 0)]),
        .indirect(
            "next stays inside the indirect table, not the queue's", .next(2),
            [entry(flags: more, next: 1), entry(flags: more, next: 2)]),
        .indirect(
            "a bad buffer in an indirect table", .buffer(GuestAddress(end), count: 16),
            [entry(end)]),
        .chain(
            "an indirect table beyond RAM", .buffer(GuestAddress(end), count: 16),
            [entry(end, 16, flags: Descriptor.isIndirect)]),
        .chain(
            "an indirect table across RAM's end", .buffer(GuestAddress(end - 16), count: 32),
            [entry(end - 16, 32, flags: Descriptor.isIndirect)]),
        .chain(
            "an indirect table in the device hole", .buffer(GuestAddress(0xd000_0000), count: 16),
            [entry(0xd000_0000, 16, flags: Descriptor.isIndirect)]),
    ]

    package static let indices: [RingViolation] = [
        RingViolation("a head outside the table", .head(4)) { $0.publish(head: 4) },
        RingViolation("a head at its largest", .head(.max)) { $0.publish(head: .max) },
        RingViolation("the index jumps past the size", .availableIndex(5)) {
            $0.setAvailableIndex(5)
        },
        RingViolation("the index jumps far", .availableIndex(0x8000)) {
            $0.setAvailableIndex(0x8000)
        },
        RingViolation("the index goes backwards", .availableIndex(0xffff)) {
            $0.setAvailableIndex(0xffff)
        },
    ]

    package static var all: [RingViolation] { chains + tables + indices }
}
