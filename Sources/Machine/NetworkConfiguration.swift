// SPDX-License-Identifier: Apache-2.0

extension MachineConfiguration {
    /// A network interface of the guest on a TAP device of the host.
    package struct Network: Hashable, Sendable {
        /// What the host's programs call it.
        package var id: String
        /// The interface's name, or `/dev/fd/N` for an inherited descriptor of /dev/net/tun.
        package var device: String
        /// Six bytes; nil: the guest makes an address up.
        package var mac: [UInt8]?
        /// Largest packet in bytes, as the guest is told; nil: it is told nothing.
        package var mtu: UInt16?
        package var receive = Limits()
        package var transmit = Limits()

        package init(id: String, device: String) {
            self.id = id
            self.device = device
        }
    }
}

extension MachineConfiguration {
    /// A service of ours on some of the guest's links, where it finds its metadata.
    package struct MetadataLink: Sendable {
        /// Of the service, the most significant byte first on the wire.
        package var address: UInt32
        /// By their place among the network interfaces.
        package var interfaces: Set<Int>
        /// Makes what answers the bytes of one more connection: bytes, and whether none follow.
        package var open: @Sendable () -> @Sendable ([UInt8]) -> (bytes: [UInt8], isOver: Bool)

        package init(
            address: UInt32, interfaces: Set<Int>,
            open: @escaping @Sendable () -> @Sendable ([UInt8]) -> (bytes: [UInt8], isOver: Bool)
        ) {
            self.address = address
            self.interfaces = interfaces
            self.open = open
        }
    }
}
