// SPDX-License-Identifier: Apache-2.0

/// Makes and checks the tokens of metadata version 2: when they end, and a code that only this
/// monitor can make. Nothing has to be kept for each.
package struct MetadataTokens: Sendable {
    /// Life of a token, in seconds.
    package static var lifeRange: ClosedRange<UInt32> { 1...21_600 }

    private static var codeCount: Int { 20 }

    private let key: [UInt8]
    private let id: [UInt8]

    /// - Parameters:
    ///   - key: 32 bytes that nobody can guess.
    ///   - id: The machine's name: a token of one is no good for another.
    package init(key: [UInt8], id: String) {
        self.key = key
        self.id = Array("microvmid=\(id)".utf8)
    }

    /// A token that ends `life` seconds after `now` (milliseconds, never going back).
    ///
    /// - Parameter salt: Makes two tokens of one moment differ.
    package func make(life: UInt32, now: UInt64, salt: UInt64) -> String {
        let end = now &+ UInt64(life) * 1000
        let head = Self.bytes(end) + Self.bytes(salt)
        return Base64.encode(head + code(head))
    }

    /// Whether `token` was made here and has not ended.
    package func isValid(_ token: String, now: UInt64) -> Bool {
        guard token.utf8.count <= 70, let bytes = Base64.decode(token),
            bytes.count == 16 + Self.codeCount
        else { return false }
        let head = Array(bytes[..<16])
        // All bytes are compared, so that the time tells nothing of where they differ.
        let difference = zip(bytes[16...], code(head)).reduce(UInt8(0)) { $0 | ($1.0 ^ $1.1) }
        let end = head[..<8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return difference == 0 && end > now
    }

    private func code(_ head: [UInt8]) -> [UInt8] {
        Array(SHA256.authentication(key: key, head + id).prefix(Self.codeCount))
    }

    private static func bytes(_ value: UInt64) -> [UInt8] {
        stride(from: 56, through: 0, by: -8).map {
            UInt8(truncatingIfNeeded: value >> UInt64($0))
        }
    }
}

/// Bytes as text. RFC 4648, 4.
package enum Base64 {
    private static let alphabet = Array(
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

    package static func encode(_ bytes: [UInt8]) -> String {
        var text: [UInt8] = []
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let group = bytes[start..<min(start + 3, bytes.count)]
            var value = group.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
            value <<= UInt32(8 * (3 - group.count))
            for index in 0..<4 {
                text.append(
                    index <= group.count
                        ? alphabet[Int(value >> UInt32(18 - 6 * index) & 63)] : UInt8(ascii: "="))
            }
        }
        return String(decoding: text, as: UTF8.self)
    }

    /// The bytes of a text in the one form that ``encode(_:)`` makes; nil: it is none.
    package static func decode(_ text: String) -> [UInt8]? {
        var digits = Array(text.utf8)
        guard digits.count % 4 == 0 else { return nil }
        while digits.last == UInt8(ascii: "=") { digits.removeLast() }
        guard text.utf8.count - digits.count <= 2 else { return nil }
        var bytes: [UInt8] = []
        var value: UInt32 = 0
        var bits = 0
        for digit in digits {
            guard let index = alphabet.firstIndex(of: digit) else { return nil }
            value = value << 6 | UInt32(index)
            bits += 6
            if bits >= 8 {
                bits -= 8
                bytes.append(UInt8(truncatingIfNeeded: value >> UInt32(bits)))
                value &= (1 << UInt32(bits)) - 1
            }
        }
        return value == 0 ? bytes : nil
    }
}
