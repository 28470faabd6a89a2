// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Emulator

/// Results, status words and flags, bit for bit as hardware gave them: every rounding direction and
/// precision, all kinds of operands, exceptions masked and not.
@Suite struct X87HardwareTests {
    @Test func `Instructions on registers do what hardware does`() throws {
        let rig = try X87Rig()
        for line in X87RegisterTable.rows.split(separator: "\n") {
            let row = line.split(separator: " ")
            try #require(row.count == 8)
            rig.reset()
            rig.push(try #require(Extended(row[3])), try #require(Extended(row[2])))
            rig.cpu.setX87Control(try #require(UInt16(row[1], radix: 16)))
            rig.cpu.flags = Flags(bits: try #require(UInt64(row[6], radix: 16)))
            rig.execute(bytes(row[0]))
            #expect(rig.top == row[4], "\(line)")
            #expect(hex(UInt64(rig.statusWord), 4) == row[5], "\(line)")
            #expect(hex(rig.cpu.flags.bits & 0x45, 2) == row[7], "\(line)")
        }
    }

    @Test func `Loads and arithmetic on memory do what hardware does`() throws {
        let rig = try X87Rig()
        for line in X87MemoryTable.loads.split(separator: "\n") {
            let row = line.split(separator: " ")
            try #require(row.count == 6)
            rig.reset()
            rig.push(.one, try #require(Extended(row[2])))
            rig.cpu.setX87Control(try #require(UInt16(row[1], radix: 16)))
            rig.putMemory(try #require(Extended(row[3])))
            rig.execute(bytes(row[0]))
            #expect(rig.top == row[4], "\(line)")
            #expect(hex(UInt64(rig.statusWord), 4) == row[5], "\(line)")
        }
    }

    @Test func `Stores do what hardware does`() throws {
        let rig = try X87Rig()
        for line in X87MemoryTable.stores.split(separator: "\n") {
            let row = line.split(separator: " ")
            try #require(row.count == 5)
            rig.reset()
            rig.push(.one, try #require(Extended(row[2])))
            rig.cpu.setX87Control(try #require(UInt16(row[1], radix: 16)))
            rig.putMemory(try #require(Extended("aaaaaaaaaaaaaaaaaaaa")))
            rig.execute(bytes(row[0]))
            #expect(rig.memory == row[3], "\(line)")
            #expect(hex(UInt64(rig.statusWord), 4) == row[4], "\(line)")
        }
    }
}
