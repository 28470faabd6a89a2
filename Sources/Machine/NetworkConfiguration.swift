// SPDX-License-Identifier: Apache-2.0

extension MachineConfiguration {
    /// A network interface of the guest on a TAP device of the host.
    package struct Network: Hashable, Sendable {
        /// The interface's name, or `/dev/fd/N` for an inherited descriptor of /dev/net/tun.
        package var device: String
        /// Six bytes; nil: the guest makes an address up.
        package var mac: [UInt8]?
        /// Largest packet in bytes, as the guest is told; nil: it is told nothing.
        package var mtu: UInt16?
        package var receive = Limits()
        package var transmit = Limits()

        package init(device: String) { self.device = device }
    }
}
