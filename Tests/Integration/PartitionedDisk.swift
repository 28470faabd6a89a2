// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A disk with an empty first partition and a file system in the second, gone with this value.
final class PartitionedDisk {
    enum Label: String, CaseIterable, Sendable { case gpt, mbr }

    let path: String
    private static let first = 2048
    private static let second = 4096
    private static let sectors = PmemFile.byteCount / 512

    /// What the second partition is called.
    static func name(_ label: Label) -> String {
        label == .gpt ? "00112233-4455-6677-8899-aabbccddeeff" : "0a1b2c3d-02"
    }

    init(_ label: Label, _ file: PmemFile) throws {
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        path = place.path
        try #require(FileManager.default.createFile(atPath: path, contents: nil))
        let handle = try FileHandle(forUpdating: place)
        let total = Self.second + Self.sectors + 2048
        try handle.truncate(atOffset: UInt64(total * 512))
        // Which has left the handle at the end.
        try handle.seek(toOffset: 0)
        try handle.write(contentsOf: Data(Self.table(label, total)))
        try handle.seek(toOffset: UInt64(Self.second * 512))
        try handle.write(contentsOf: try Data(contentsOf: URL(filePath: file.path)))
        try handle.close()
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private static func little(_ value: Int, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
    }

    private static func table(_ label: Label, _ total: Int) -> [UInt8] {
        guard label == .gpt else {
            let entries = entry(0x83, first, 2048) + entry(0x83, second, sectors)
            return [UInt8](repeating: 0, count: 440) + [0x3d, 0x2c, 0x1b, 0x0a, 0, 0] + entries
                + [UInt8](repeating: 0, count: 32) + [0x55, 0xaa]
        }
        let protective =
            [UInt8](repeating: 0, count: 446) + entry(0xee, 1, total - 1)
            + [UInt8](repeating: 0, count: 48) + [0x55, 0xaa]
        let entries =
            guidEntry(1, first, 2048) + guidEntry(0xff, second, sectors)
            + [UInt8](repeating: 0, count: 126 * 128)
        return protective + header(total, entries) + entries
    }

    /// An entry of an MBR.
    private static func entry(_ type: UInt8, _ start: Int, _ count: Int) -> [UInt8] {
        [0, 0, 2, 0, type, 0xff, 0xff, 0xff] + little(start, 4) + little(count, 4)
    }

    /// An entry of a GPT: Linux data. UEFI 2.10, 5.3.3.
    private static func guidEntry(_ last: UInt8, _ start: Int, _ count: Int) -> [UInt8] {
        let type: [UInt8] = [
            0xaf, 0x3d, 0xc6, 0x0f, 0x83, 0x84, 0x72, 0x47, 0x8e, 0x79, 0x3d, 0x69, 0xd8, 0x47,
            0x7d,
            0xe4,
        ]
        let name: [UInt8] = [
            0x33, 0x22, 0x11, 0, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
            last,
        ]
        return type + name + little(start, 8) + little(start + count - 1, 8)
            + [UInt8](repeating: 0, count: 80)
    }

    /// UEFI 2.10, 5.3.2.
    private static func header(_ total: Int, _ entries: [UInt8]) -> [UInt8] {
        var header =
            Array("EFI PART".utf8) + little(0x1_0000, 4) + little(92, 4) + little(0, 8)
            + little(1, 8) + little(total - 1, 8) + little(34, 8) + little(total - 34, 8)
            + [UInt8](repeating: 7, count: 16) + little(2, 8) + little(128, 4) + little(128, 4)
            + little(Int(checksum(entries)), 4)
        header.replaceSubrange(16..<20, with: little(Int(checksum(header)), 4))
        return header + [UInt8](repeating: 0, count: 512 - header.count)
    }

    /// CRC-32 as in Ethernet.
    private static func checksum(_ bytes: [UInt8]) -> UInt32 {
        var sum = UInt32.max
        for byte in bytes {
            sum ^= UInt32(byte)
            for _ in 0..<8 { sum = sum >> 1 ^ (sum & 1 == 0 ? 0 : 0xedb8_8320) }
        }
        return ~sum
    }
}
