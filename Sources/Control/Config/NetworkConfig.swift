// SPDX-License-Identifier: Apache-2.0

/// An Ethernet address.
package struct MACAddress: Hashable, Sendable, CustomStringConvertible {
    /// Six bytes, in the order of the wire.
    package let bytes: [UInt8]

    /// Reads six pairs of hexadecimal digits with colons between them.
    package init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 6 else { return nil }
        var bytes: [UInt8] = []
        for part in parts {
            guard part.utf8.count == 2, part.allSatisfy(\.isHexDigit),
                let byte = UInt8(part, radix: 16)
            else { return nil }
            bytes.append(byte)
        }
        self.bytes = bytes
    }

    package var description: String {
        bytes.map { byte in
            let text = String(byte, radix: 16)
            return text.utf8.count == 1 ? "0" + text : text
        }.joined(separator: ":")
    }
}

/// A network interface: Firecracker's `network-interfaces`.
package struct NetworkConfig: APIObject {
    /// Least and most bytes of a packet that may be announced.
    package static var mtuRange: ClosedRange<UInt16> { 68...65535 }

    package static var fields: [String] {
        [
            "iface_id", "host_dev_name", "guest_mac", "mtu", "rx_rate_limiter",
            "tx_rate_limiter",
        ]
    }

    package var id: String
    /// The host's TAP device.
    package var hostDevice: String
    package var guestMAC: MACAddress?
    /// Largest packet in bytes, as the guest is told; nil: it is told nothing.
    package var mtu: UInt16?
    package var receiveLimiter: RateLimiterConfig?
    package var transmitLimiter: RateLimiterConfig?

    package init(id: String, hostDevice: String) {
        self.id = id
        self.hostDevice = hostDevice
    }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("iface_id", as: JSON.asIdentifier)
        hostDevice = try fields.require("host_dev_name") { json throws(JSONError) in
            let name = try json.asPath()
            // The kernel keeps 16 bytes for a name and its zero.
            guard name.utf8.count <= 15 else {
                throw json.invalid("a network device's name has at most 15 bytes")
            }
            return name
        }
        guestMAC = try fields.optional("guest_mac") { json throws(JSONError) in
            guard let address = MACAddress(try json.asString()) else {
                throw json.invalid("invalid MAC address; it has the form `06:00:ac:10:00:02`")
            }
            return address
        }
        mtu = try fields.integer("mtu", in: Self.mtuRange)
        receiveLimiter = try fields.optional("rx_rate_limiter")
        transmitLimiter = try fields.optional("tx_rate_limiter")
    }

    package var json: JSON {
        .object([
            ("iface_id", .string(id)), ("host_dev_name", .string(hostDevice)),
            ("guest_mac", .text(guestMAC?.description)), ("mtu", .number(mtu)),
            ("rx_rate_limiter", receiveLimiter?.json ?? .null),
            ("tx_rate_limiter", transmitLimiter?.json ?? .null),
        ])
    }
}

/// A change to a network interface of a running machine.
package struct NetworkUpdate: APIObject {
    package static var fields: [String] { ["iface_id", "rx_rate_limiter", "tx_rate_limiter"] }

    package var id: String
    package var receiveLimiter: RateLimiterConfig?
    package var transmitLimiter: RateLimiterConfig?

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        id = try fields.require("iface_id", as: JSON.asIdentifier)
        receiveLimiter = try fields.optional("rx_rate_limiter")
        transmitLimiter = try fields.optional("tx_rate_limiter")
    }
}
