// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

@testable import Boot

/// The MP and ACPI tables, read as a kernel reads them.
@Suite struct TableTests {
    static let devices = [
        MMIODevice(base: 0xc000_1000, gsi: 5), MMIODevice(base: 0xc000_2000, gsi: 6),
        MMIODevice(base: 0xc000_3000, byteCount: 8192, gsi: 22),
    ]

    // MARK: MP

    @Test(arguments: [1, 2, 8, 31, 32])
    func `the MP table has each processor, input and local interrupt`(_ cpuCount: Int) {
        let bytes = MPTable.bytes(cpuCount: cpuCount)
        #expect(Array(bytes[0..<4]) == [UInt8]("_MP_".utf8))
        #expect(bytes.checksum(of: 0..<16) == 0)
        #expect(bytes.word32(4) == 0x9fc10)
        let table = Array(bytes[16...])
        #expect(table.word16(4) == UInt16(table.count))
        #expect(table.checksum(of: table.indices) == 0)
        #expect(table.word32(36) == 0xfee0_0000)
        var counts: [UInt8: Int] = [:]
        var processors: [UInt8] = []
        var inputs: [UInt8: UInt8] = [:]
        var offset = 44
        while offset < table.count {
            let type = table[offset]
            counts[type, default: 0] += 1
            if type == 0 { processors.append(table[offset + 1]) }
            if type == 2 { #expect(!processors.contains(table[offset + 1])) }
            if type == 3, table[offset + 1] == 0 { inputs[table[offset + 7]] = table[offset + 5] }
            if type == 3, table[offset + 1] == 3 { #expect(table[offset + 7] == 0) }
            offset += type == 0 ? 20 : 8
        }
        #expect(offset == table.count)
        #expect(counts == [0: cpuCount, 1: 1, 2: 1, 3: 24, 4: 2])
        #expect(processors == (0..<cpuCount).map { UInt8($0) })
        #expect(Int(table.word16(34) ?? 0) == cpuCount + 28)
        #expect(inputs.count == 23 && inputs[2] == 0 && inputs[0] == nil)
        #expect(inputs.allSatisfy { $0.key == 2 || $0.key == $0.value })
    }

    // MARK: ACPI

    /// Follows the pointers from the RSDP; answers each table by signature.
    static func tables(cpuCount: Int) throws -> [String: [UInt8]] {
        let all = ACPITables.bytes(apicIDs: (0..<UInt32(cpuCount)).map { $0 }, devices: devices)
        func table(_ address: UInt64) throws -> (String, [UInt8]) {
            let start = Int(address - BootLayout.acpi)
            let count = Int(try #require(all.word32(start + 4)))
            let bytes = Array(all[start..<(start + count)])
            #expect(bytes.checksum(of: bytes.indices) == 0)
            return (String(decoding: bytes.prefix(4), as: UTF8.self), bytes)
        }
        #expect(Array(all[0..<8]) == [UInt8]("RSD PTR ".utf8))
        #expect(all.checksum(of: 0..<20) == 0)
        #expect(all.checksum(of: 0..<36) == 0)
        let (rsdtName, rsdt) = try table(UInt64(try #require(all.word32(16))))
        let (xsdtName, xsdt) = try table(try #require(all.word64(24)))
        #expect(rsdtName == "RSDT" && xsdtName == "XSDT")
        var found: [String: [UInt8]] = [:]
        for index in 0..<((xsdt.count - 36) / 8) {
            let long = try #require(xsdt.word64(36 + index * 8))
            #expect(rsdt.word32(36 + index * 4) == UInt32(long))
            let (name, bytes) = try table(long)
            found[name] = bytes
        }
        let fadt = try #require(found["FACP"])
        let (name, dsdt) = try table(try #require(fadt.word64(140)))
        #expect(fadt.word32(40).map(UInt64.init) == fadt.word64(140))
        found[name] = dsdt
        return found
    }

    @Test func `the FADT says hardware-reduced and where to reset and sleep`() throws {
        let fadt = try #require(try Self.tables(cpuCount: 1)["FACP"])
        #expect(fadt.count == 276 && fadt[8] == 6)
        let flags = try #require(fadt.word32(112))
        #expect(flags & (1 << 20 | 1 << 10) == 1 << 20 | 1 << 10)
        #expect(Array(fadt[116..<120]) == [1, 8, 0, 1])
        #expect(fadt.word64(120) == 0x64 && fadt[128] == 0xfe)
        #expect(fadt.word64(248) == 0x600)
        #expect(fadt.word64(260) == 0x601)
        #expect(BootLayout.powerOffValue == 0x34)
    }

    @Test(arguments: [1, 4, 32])
    func `the MADT has each processor and the I/O APIC`(_ cpuCount: Int) throws {
        let madt = try #require(try Self.tables(cpuCount: cpuCount)["APIC"])
        #expect(madt.word32(36) == 0xfee0_0000)
        var types: [UInt8: Int] = [:]
        var offset = 44
        while offset < madt.count {
            types[madt[offset], default: 0] += 1
            if madt[offset] == 1 {
                #expect(madt.word32(offset + 4) == 0xfec0_0000)
                #expect(madt.word32(offset + 8) == 0)
            }
            offset += Int(madt[offset + 1])
        }
        #expect(offset == madt.count)
        #expect(types == [0: cpuCount, 1: 1, 2: 1, 4: 1])
    }

    @Test func `processors beyond 254 are x2APIC entries`() {
        let madt = ACPITables.madt(apicIDs: [0, 254, 255, 70_000])
        #expect(madt.count == 44 + 8 + 8 + 16 + 16 + 12 + 10 + 6)
        #expect(madt[60] == 9 && madt.word32(64) == 255)
        #expect(madt[76] == 9 && madt.word32(80) == 70_000)
    }

    /// One row a construct: what we write, what the specification's grammar gives.
    static let encodings: [(ours: [UInt8], expected: [UInt8])] = [
        (AML.integer(0), [0]), (AML.integer(1), [1]), (AML.integer(2), [0x0a, 2]),
        (AML.integer(0x1234), [0x0b, 0x34, 0x12]),
        (AML.integer(0x1_0000), [0x0c, 0, 0, 1, 0]),
        (AML.integer(1 << 32), [0x0e, 0, 0, 0, 0, 1, 0, 0, 0]),
        (AML.string("A"), [0x0d, 0x41, 0]),
        (AML.eisaID("PNP0501"), [0x0c, 0x41, 0xd0, 0x05, 0x01]),
        (AML.eisaID("PNP0C0C"), [0x0c, 0x41, 0xd0, 0x0c, 0x0c]),
        (AML.path("\\_SB.PWRB"), [0x5c, 0x2e] + [UInt8]("_SB_PWRB".utf8)),
        (AML.path("_S5"), [UInt8]("_S5_".utf8)),
        (
            AML.package(length: [UInt8](repeating: 9, count: 62)),
            [63] + .init(repeating: 9, count: 62)
        ),
        (
            AML.package(length: [UInt8](repeating: 9, count: 63)),
            [0x41, 0x04] + .init(repeating: 9, count: 63)
        ),
        (
            AML.package(length: [UInt8](repeating: 9, count: 4094)),
            [0x81, 0x00, 0x01] + .init(repeating: 9, count: 4094)
        ),
        (
            AML.resources([AML.ports(0x3f8, count: 8)]),
            [0x11, 13, 0x0a, 10, 0x47, 1, 0xf8, 3, 0xf8, 3, 1, 8, 0x79, 0]
        ),
        (AML.edgeInterrupt(5), [0x89, 6, 0, 3, 1, 5, 0, 0, 0]),
        (
            AML.memory(0xc000_1000, count: 0x1000),
            [0x86, 9, 0, 1, 0, 0x10, 0, 0xc0, 0, 0x10, 0, 0]
        ),
    ]

    @Test(arguments: encodings.indices)
    func `AML is what the grammar says`(_ index: Int) {
        #expect(Self.encodings[index].ours == Self.encodings[index].expected)
    }

    @Test func `words for kernels without ACPI name size, place and interrupt`() {
        #expect(
            Self.devices.map(\.kernelWord) == [
                "virtio_mmio.device=4K@0xc0001000:5", "virtio_mmio.device=4K@0xc0002000:6",
                "virtio_mmio.device=8K@0xc0003000:22",
            ])
    }

    static var iasl: String? {
        ["/usr/bin/iasl", "/usr/local/bin/iasl"].first {
            FileManager.default.isExecutableFile(atPath: $0)
        }
    }

    @Test(.enabled(if: iasl != nil, "acpica-tools is not installed"))
    func `iasl reads the tables back and compiles them again without a warning`() throws {
        let folder = FileManager.default.temporaryDirectory.appending(
            path: "swiftlet-acpi-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let tables = try Self.tables(cpuCount: 4)
        for (name, bytes) in tables {
            try Data(bytes).write(to: folder.appending(path: name + ".dat"))
            let listing = try run(["-d", name + ".dat"], in: folder)
            #expect(!listing.contains("Error") && !listing.contains("Invalid"), "\(listing)")
        }
        let source = try String(contentsOf: folder.appending(path: "DSDT.dsl"), encoding: .utf8)
        for text in [
            "EisaId (\"PNP0501\")", "\"LNRO0005\"", "0xC0003000", "Method (_EVT, 1, NotSerialized)",
            "Notify (\\_SB.PWRB, 0x80)", "Name (\\_S5, Package (0x04)",
            "Edge, ActiveHigh, Exclusive",
        ] {
            #expect(source.contains(text), "\(text)")
        }
        let report = try run(["-f", "DSDT.dsl"], in: folder)
        #expect(report.contains("0 Errors, 0 Warnings"), "\(report)")
    }

    private func run(_ arguments: [String], in folder: URL) throws -> String {
        try TestProcess.run(try #require(Self.iasl), arguments, in: folder.path).output
    }
}
