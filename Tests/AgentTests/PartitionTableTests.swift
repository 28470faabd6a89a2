// SPDX-License-Identifier: Apache-2.0
import Agent
import Testing

@Suite struct PartitionTableTests {
    /// A disk with a GPT, whose entries have so many bytes.
    static func gpt(entrySize: Int = 128, first: Int = 2) -> [UInt8] {
        var disk = [UInt8](repeating: 0, count: PartitionTable.byteCount)
        disk.replaceSubrange(512..<520, with: Array("EFI PART".utf8))
        disk[512 + 72] = UInt8(first)
        disk[512 + 80] = 128
        disk[512 + 84] = UInt8(entrySize & 0xff)
        disk[512 + 85] = UInt8(entrySize >> 8)
        for (index, last) in [(0, 1), (1, 2), (4, 3)] as [(Int, UInt8)] {
            let guid: [UInt8] = [
                0x33, 0x22, 0x11, 0x00, 0x55, 0x44, 0x77, 0x66, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd,
                0xee, last,
            ]
            let place = first * 512 + index * entrySize + 16
            disk.replaceSubrange(place..<place + 16, with: guid)
        }
        return disk
    }

    static func mbr() -> [UInt8] {
        var disk = [UInt8](repeating: 0, count: PartitionTable.byteCount)
        disk.replaceSubrange(440..<444, with: [0x3d, 0x2c, 0x1b, 0x0a])
        disk[446 + 16 + 4] = 0x83
        disk[510] = 0x55
        disk[511] = 0xaa
        return disk
    }

    static func number(_ name: String, _ disk: [UInt8]) -> Int? {
        PartitionTable.number(of: Array(name.utf8)[...], on: disk)
    }

    @Test(arguments: [128, 256])
    func `A GUID names its partition, in either case`(entrySize: Int) {
        let disk = Self.gpt(entrySize: entrySize)
        #expect(Self.number("00112233-4455-6677-8899-aabbccddee01", disk) == 1)
        #expect(Self.number("00112233-4455-6677-8899-AABBCCDDEE02", disk) == 2)
        #expect(Self.number("00112233-4455-6677-8899-aabbccddee03", disk) == 5)
        #expect(Self.number("00112233-4455-6677-8899-aabbccddee04", disk) == nil)
    }

    @Test func `A signature and a number name a partition of an MBR`() {
        #expect(Self.number("0a1b2c3d-02", Self.mbr()) == 2)
        for other in ["0a1b2c3d-01", "0a1b2c3d-05", "0a1b2c3d-00", "0a1b2c3e-02", "00000000-02"] {
            #expect(Self.number(other, Self.mbr()) == nil)
        }
    }

    @Test func `What is no name, or no table, names nothing`() {
        for name in ["", "x", "0a1b2c3d", "00112233-4455-6677-8899-aabbccddee0g"] {
            #expect(Self.number(name, Self.gpt()) == nil)
            #expect(Self.number(name, Self.mbr()) == nil)
        }
        let name = "00112233-4455-6677-8899-aabbccddee01"
        #expect(Self.number(name, []) == nil)
        #expect(Self.number(name, [UInt8](repeating: 0, count: 1024)) == nil)
        // Entries beyond what is looked at, and of sizes that no table has.
        for (place, value) in [(584, 0xff), (585, 0xff), (596, 0), (598, 0xff)] as [(Int, UInt8)] {
            var disk = Self.gpt()
            disk[place] = value
            #expect(Self.number(name, disk) == nil, "\(place)")
        }
        #expect(Self.number(name, Array(Self.gpt().prefix(1040))) == nil)
    }
}
