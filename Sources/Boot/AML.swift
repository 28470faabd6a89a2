// SPDX-License-Identifier: Apache-2.0

/// The parts of ACPI machine language that describe a microVM. ACPI 6.5, chapter 20.
enum AML {
    /// A path of four-letter names with dots, absolute if it begins with a backslash. 20.2.2.
    static func path(_ text: String) -> [UInt8] {
        var names = Substring(text)
        var bytes: [UInt8] = []
        if names.first == "\\" {
            bytes.append(0x5c)
            names = names.dropFirst()
        }
        let segments = names.split(separator: ".")
        if segments.count == 2 { bytes.append(0x2e) }
        if segments.count > 2 { bytes += [0x2f, UInt8(truncatingIfNeeded: segments.count)] }
        for segment in segments { bytes.append(String(segment), width: 4, padding: 0x5f) }
        return bytes
    }

    /// The shortest form of a number. 20.2.3.
    static func integer(_ value: UInt64) -> [UInt8] {
        var bytes: [UInt8] = []
        switch value {
        case 0, 1: bytes.append(UInt8(value))
        case ...0xff: bytes += [0x0a, UInt8(value)]
        case ...0xffff:
            bytes.append(0x0b)
            bytes.append(little: UInt16(value))
        case ...0xffff_ffff:
            bytes.append(0x0c)
            bytes.append(little: UInt32(value))
        default:
            bytes.append(0x0e)
            bytes.append(little: value)
        }
        return bytes
    }

    static func string(_ text: String) -> [UInt8] { [0x0d] + [UInt8](text.utf8) + [0] }

    /// A PNP identifier in 32 bits: three letters, four hexadecimal digits. 19.3.4.
    static func eisaID(_ text: String) -> [UInt8] {
        let letters = text.utf8.prefix(3).reduce(UInt32(0)) { $0 << 5 | UInt32($1 & 0x1f) }
        let product = UInt32(text.dropFirst(3), radix: 16) ?? 0
        return integer(UInt64((letters << 16 | product & 0xffff).byteSwapped))
    }

    static func name(_ path: String, _ value: [UInt8]) -> [UInt8] {
        [0x08] + AML.path(path) + value
    }

    static func scope(_ path: String, _ terms: [[UInt8]]) -> [UInt8] {
        [0x10] + package(length: AML.path(path) + terms.joined())
    }

    static func device(_ path: String, _ terms: [[UInt8]]) -> [UInt8] {
        [0x5b, 0x82] + package(length: AML.path(path) + terms.joined())
    }

    static func method(_ path: String, arguments: UInt8, _ terms: [[UInt8]]) -> [UInt8] {
        [0x14] + package(length: AML.path(path) + [arguments & 7] + terms.joined())
    }

    static func notify(_ path: String, _ value: UInt64) -> [UInt8] {
        [0x86] + AML.path(path) + integer(value)
    }

    static func package(_ elements: [[UInt8]]) -> [UInt8] {
        [0x12]
            + package(length: [UInt8(truncatingIfNeeded: elements.count)] + elements.joined())
    }

    /// A buffer of resource descriptors with the end tag behind them. 6.4.
    static func resources(_ descriptors: [[UInt8]]) -> [UInt8] {
        // A checksum of 0 says that there is none.
        let bytes = [UInt8](descriptors.joined()) + [0x79, 0]
        return [0x11] + package(length: integer(UInt64(bytes.count)) + bytes)
    }

    /// A fixed range of ports, all 16 address bits decoded. 6.4.2.5.
    static func ports(_ first: UInt16, count: UInt8) -> [UInt8] {
        var bytes: [UInt8] = [0x47, 1]
        bytes.append(little: first)
        bytes.append(little: first)
        return bytes + [1, count]
    }

    /// A fixed, writable range of memory below 4 GiB. 6.4.3.4.
    static func memory(_ base: UInt32, count: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [0x86, 9, 0, 1]
        bytes.append(little: base)
        bytes.append(little: count)
        return bytes
    }

    /// A consumed interrupt: rising edge, not shared. 6.4.3.6.
    static func edgeInterrupt(_ gsi: UInt32) -> [UInt8] {
        var bytes: [UInt8] = [0x89, 6, 0, 0b0011, 1]
        bytes.append(little: gsi)
        return bytes
    }

    /// `content` with its length before it; the length counts its own bytes. 20.2.4.
    static func package(length content: [UInt8]) -> [UInt8] {
        let count = content.count
        if count + 1 < 1 << 6 { return [UInt8(count + 1)] + content }
        let extra = count + 2 < 1 << 12 ? 1 : count + 3 < 1 << 20 ? 2 : 3
        let total = count + 1 + extra
        var bytes = [UInt8(extra << 6 | total & 0xf)]
        for index in 0..<extra {
            bytes.append(UInt8(truncatingIfNeeded: total >> (4 + 8 * index)))
        }
        return bytes + content
    }
}
