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

    /// How many bytes and requests a device may move.
    package struct Limits: Hashable, Sendable {
        package var bandwidth: Bucket?
        package var operations: Bucket?

        package init() {}
    }

    /// Tokens that come back with time.
    package struct Bucket: Hashable, Sendable {
        package var size: UInt64
        /// Milliseconds from empty to full.
        package var refillTime: UInt64
        package var oneTimeBurst: UInt64

        package init(size: UInt64, refillTime: UInt64, oneTimeBurst: UInt64 = 0) {
            self.size = size
            self.refillTime = refillTime
            self.oneTimeBurst = oneTimeBurst
        }
    }
}
