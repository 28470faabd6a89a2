// SPDX-License-Identifier: Apache-2.0

/// An IPv4 address.
package struct IPv4Address: Hashable, Sendable, CustomStringConvertible {
    /// Most significant byte first on the wire.
    package var rawValue: UInt32

    package init(rawValue: UInt32) { self.rawValue = rawValue }

    /// Reads four decimal numbers with points between them.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var value: UInt32 = 0
        for part in parts {
            let isPlain = (1...3).contains(part.utf8.count) && part.utf8.allSatisfy(isDigit)
            guard isPlain, part == "0" || part.first != "0", let byte = UInt8(part) else {
                return nil
            }
            value = value << 8 | UInt32(byte)
        }
        rawValue = value
    }

    /// In 169.254.1.0 to 169.254.254.255. RFC 3927, 2.1.
    package var isLinkLocal: Bool {
        rawValue >> 16 == 0xa9fe && (1...254).contains(rawValue >> 8 & 0xff)
    }

    package var description: String {
        "\(rawValue >> 24).\(rawValue >> 16 & 0xff).\(rawValue >> 8 & 0xff).\(rawValue & 0xff)"
    }
}

private func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

/// How the guest reaches its metadata: Firecracker's `mmds-config`.
package struct MMDSConfig: APIObject {
    package enum Version: String, CaseIterable, JSONReadable, Sendable {
        /// Without a token; deprecated.
        case v1 = "V1"
        /// With a token of limited life.
        case v2 = "V2"
    }

    package static var fields: [String] {
        ["version", "network_interfaces", "ipv4_address", "imds_compat"]
    }

    /// 169.254.169.254
    package static var defaultAddress: IPv4Address { IPv4Address(rawValue: 0xa9fe_a9fe) }

    package var version = Version.v1
    /// Identifiers of the interfaces that answer for the address.
    package var interfaces: [String]
    package var address = Self.defaultAddress
    /// Answers text whatever the guest accepts, as EC2 does.
    package var isIMDSCompatible = false

    package init(interfaces: [String]) { self.interfaces = interfaces }

    package init(json: JSON) throws(JSONError) {
        let fields = try JSONFields(json, Self.fields)
        version = try fields.optional("version") ?? .v1
        interfaces = try fields.require("network_interfaces") { json throws(JSONError) in
            try json.asArray(limit: VMConfig.deviceLimit) { json throws(JSONError) in
                try json.asString()
            }
        }
        address =
            try fields.optional("ipv4_address") { json throws(JSONError) in
                guard let address = IPv4Address(try json.asString()) else {
                    throw json.invalid("invalid IPv4 address syntax")
                }
                return address
            } ?? Self.defaultAddress
        isIMDSCompatible = try fields.flag("imds_compat")
    }

    package var json: JSON {
        .object([
            ("version", .string(version.rawValue)),
            ("network_interfaces", .array(interfaces.map(JSON.string))),
            ("ipv4_address", .string(address.description)),
            ("imds_compat", .bool(isIMDSCompatible)),
        ])
    }
}
