// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing
import Virtio

@testable import Devices

/// A guest that gives its disk the header of a format, whose host looks at the disk again.
@Suite struct BlockFormatTests {
    typealias Engine = BlockConfiguration.Engine

    /// The first sectors of a qcow2 image of 1 TiB that has the file at `path` behind it.
    static func image(backing path: String) -> [UInt8] {
        func big<Number: FixedWidthInteger>(_ number: Number) -> [UInt8] {
            stride(from: Number.bitWidth - 8, through: 0, by: -8).map {
                UInt8(truncatingIfNeeded: number >> Number($0))
            }
        }
        let name = Array(path.utf8)
        var bytes = Array("QFI".utf8) + [0xfb] + big(2 as UInt32)
        // Where the name is and how long, bits of a cluster, bytes of the disk.
        bytes += big(256 as UInt64) + big(UInt32(name.count)) + big(16 as UInt32)
        bytes += big(1 << 40 as UInt64)
        bytes += [UInt8](repeating: 0, count: 256 - bytes.count) + name
        return bytes + [UInt8](repeating: 0, count: 1024 - bytes.count)
    }

    @Test(arguments: Engine.both)
    func `A header that names another file is bytes, before and after the host looks again`(
        _ engine: Engine
    ) throws {
        let secret = try ScratchFile(byteCount: 4096)
        try secret.write([UInt8](repeating: 0x77, count: 4096))
        let guest = try BlockGuest(engine)
        let header = Self.image(backing: secret.path)
        try guest.fill(header)
        #expect(
            guest.perform(type: BlockType.write, [.readable(BlockGuest.data, 1024)])
                == BlockGuest.Answer(0, 1))

        let path = guest.file.path
        try guest.driver.transport.updateConfiguration { device throws(BlockError) in
            try device.replaceDisk(path: path)
        }

        let capacity = guest.driver.transport.read(offset: MMIORegister.configuration, size: 8)
        #expect(capacity == BlockGuest.sectors)
        let target = BlockGuest.data + 0x1_0000
        #expect(
            guest.perform(type: BlockType.read, [.writable(target, 4096)])
                == BlockGuest.Answer(0, 4097))
        let rest = [UInt8](repeating: 0, count: 4096 - header.count)
        #expect(try guest.bytes(at: target, count: 4096) == header + rest)
        #expect(
            guest.perform(
                type: BlockType.read, sector: BlockGuest.sectors, [.writable(target, 512)]
            ).status == 1)
        #expect(try guest.file.read(count: 4096) == header + rest)
    }
}
