// SPDX-License-Identifier: Apache-2.0

/// Finding the partition of a disk that a kernel's command line calls `PARTUUID=`.
///
/// With GPT that is the partition's GUID; with MBR the disk's signature and the partition's number,
/// both in hexadecimal: `0a1b2c3d-02`. A kernel without an initramfs looks it up itself.
package enum PartitionTable {
    /// Bytes of the disk's beginning that are looked at: MBR, header, and 128 entries.
    package static var byteCount: Int { 34 * 512 }

    /// The number, from 1 on, of the partition called `name` on the disk that begins with `disk`;
    /// nil if there is none.
    package static func number(of name: ArraySlice<UInt8>, on disk: [UInt8]) -> Int? {
        guard disk.count >= 1024, let wanted = digits(of: name) else { return nil }
        switch wanted.count {
        case 32: return guidNumber(wanted, disk)
        case 10: return signatureNumber(wanted, disk)
        default: return nil
        }
    }

    /// Values of all hexadecimal digits, dashes left out; nil if there is anything else.
    private static func digits(of name: ArraySlice<UInt8>) -> [UInt8]? {
        var digits: [UInt8] = []
        for byte in name {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digits.append(byte - UInt8(ascii: "0"))
            case UInt8(ascii: "a")...UInt8(ascii: "f"):
                digits.append(byte - UInt8(ascii: "a") + 10)
            case UInt8(ascii: "A")...UInt8(ascii: "F"):
                digits.append(byte - UInt8(ascii: "A") + 10)
            case UInt8(ascii: "-"): continue
            default: return nil
            }
        }
        return digits
    }

    /// UEFI 2.10, 5.3: GUIDs have their first three fields in little-endian order.
    private static func guidNumber(_ wanted: [UInt8], _ disk: [UInt8]) -> Int? {
        let signature: [UInt8] = Array("EFI PART".utf8)
        guard disk[512..<520].elementsEqual(signature) else { return nil }
        let first = little(disk, 512 + 72, 8)
        let count = little(disk, 512 + 80, 4)
        let size = little(disk, 512 + 84, 4)
        guard first < 34, size >= 128, size <= 4096 else { return nil }
        var guid: [UInt8] = []
        for index in 0..<16 { guid.append(wanted[2 * index] << 4 | wanted[2 * index + 1]) }
        let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15]
        for index in 0..<min(Int(count), 128) {
            let place = Int(first) * 512 + index * Int(size) + 16
            guard place + 16 <= disk.count else { return nil }
            var isSame = true
            for (position, source) in order.enumerated()
            where disk[place + position] != guid[source] {
                isSame = false
            }
            if isSame { return index + 1 }
        }
        return nil
    }

    /// The signature lies at 440; a partition that is none has type 0.
    private static func signatureNumber(_ wanted: [UInt8], _ disk: [UInt8]) -> Int? {
        guard disk[510] == 0x55, disk[511] == 0xaa else { return nil }
        var signature: UInt64 = 0
        for digit in wanted[..<8] { signature = signature << 4 | UInt64(digit) }
        let number = Int(wanted[8]) << 4 | Int(wanted[9])
        guard signature == little(disk, 440, 4), signature != 0, (1...4).contains(number),
            disk[446 + (number - 1) * 16 + 4] != 0
        else { return nil }
        return number
    }

    private static func little(_ bytes: [UInt8], _ place: Int, _ count: Int) -> UInt64 {
        var value: UInt64 = 0
        for index in 0..<count { value |= UInt64(bytes[place + index]) << UInt64(index * 8) }
        return value
    }
}
