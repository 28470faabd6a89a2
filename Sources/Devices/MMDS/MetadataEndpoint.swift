// SPDX-License-Identifier: Apache-2.0
import Linux
import Synchronization

/// The metadata service on a guest's network link, behind a network device.
package final class MetadataEndpoint: NetResponder {
    /// The address that the service's interface seems to have.
    package static var mac: MACAddress {
        MACAddress([0x06, 0x01, 0x23, 0x45, 0x67, 0x01] as [UInt8]) ?? MACAddress()
    }

    private let stack: Mutex<MetadataStack>

    /// - Parameters:
    ///   - address: Of the service, the most significant byte first on the wire.
    ///   - mtu: Largest packet in bytes that the guest takes.
    ///   - open: Makes the answers of one more connection.
    package init(address: UInt32, mtu: Int, open: @escaping @Sendable () -> StreamAnswer) {
        stack = Mutex(
            MetadataStack(
                own: PacketEnds(mac: Self.mac, address: address), mtu: mtu, open: open))
    }

    package func claims(_ head: ArraySlice<UInt8>) -> Bool { stack.withLock { $0.claims(head) } }

    package func take(_ frame: [UInt8]) {
        // Where a connection's numbers begin is not to be guessed. RFC 6528.
        let number = RandomBytes.make(count: 4).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
        stack.withLock { $0.take(frame, now: Clock.monotonic, number: number) }
    }

    package func nextFrame() -> [UInt8]? {
        stack.withLock { $0.nextFrame(now: Clock.monotonic) }
    }

    package var deadline: UInt64 { stack.withLock { $0.deadline } }

    /// What has happened so far.
    package var counts: MetadataCounts { stack.withLock { $0.counts } }
}
