// SPDX-License-Identifier: Apache-2.0

/// One port of this host that leads to one of a guest.
package struct ForwardRule: Hashable, Sendable {
    /// Where connections are taken from, unless told otherwise: this host alone.
    package static var ownAddress: String { "127.0.0.1" }

    /// Numeric address of this host, IPv4 or IPv6.
    package var address: String
    /// Port of this host; 0: any that is free.
    package var port: UInt16
    /// TCP port in the guest.
    package var guestPort: UInt16

    package init(address: String = Self.ownAddress, port: UInt16, guestPort: UInt16) {
        self.address = address
        self.port = port
        self.guestPort = guestPort
    }

    /// Reads `[HOST:]PORT:GUESTPORT`, or `PORT` for both; an IPv6 address stands in brackets.
    package init(_ text: String) throws(ClientError) {
        var rest = text[...]
        var address = Self.ownAddress
        if rest.first == "[" {
            guard let close = rest.firstIndex(of: "]"),
                rest[rest.index(after: close)...].first == ":"
            else { throw Self.error(text) }
            address = String(rest[rest.index(after: rest.startIndex)..<close])
            rest = rest[close...].dropFirst(2)
        }
        var parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 3, rest.startIndex == text.startIndex {
            address = String(parts.removeFirst())
        }
        if address == "localhost" { address = Self.ownAddress }
        let isPlain = parts.count == 1 && rest.startIndex == text.startIndex
        guard isPlain || parts.count == 2, let port = Self.number(parts[0]),
            let guestPort = Self.number(parts[parts.count - 1]), guestPort > 0,
            Self.isNumeric(address)
        else { throw Self.error(text) }
        self.init(address: address, port: port, guestPort: guestPort)
    }

    /// Address and port as people write them.
    package var place: String {
        address.contains(":") ? "[\(address)]:\(port)" : "\(address):\(port)"
    }

    private static func number(_ text: Substring) -> UInt16? {
        guard text.allSatisfy({ ("0"..."9").contains($0) }) else { return nil }
        return UInt16(text)
    }

    /// Whether it may be a numeric address; the kernel says for sure.
    private static func isNumeric(_ text: String) -> Bool {
        !text.isEmpty && text.allSatisfy { $0.isHexDigit || $0 == "." || $0 == ":" }
    }

    private static func error(_ text: String) -> ClientError {
        ClientError(
            .badConfiguration,
            "'\(text)' is no rule; write [HOST:]PORT:GUESTPORT, with HOST a numeric address")
    }
}
