// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// A guest and a host whose every step is a byte of somebody else's choice.
enum NetScript {
    /// Answers what is wrong afterwards, or nil.
    static func run(_ bytes: [UInt8], memory: GuestMemory) throws -> String? {
        var script = DeviceScript(bytes)
        let link = try NetGuest.Link(queues: script.byte() & 1 == 0 ? 1 : 2)
        let driver = try TestDriver(link.device(), memory: memory)
        return script.run(
            driver, packet: { packet(&$0, at: $1, in: memory) }, host: { host(&$0, link.far) })
    }

    /// A frame that is right in most fields, or a command; answers its length.
    private static func packet(
        _ script: inout DeviceScript, at address: GuestAddress, in memory: GuestMemory
    ) -> UInt32 {
        let kind = script.byte()
        if kind & 3 == 0 {
            let command =
                [script.byte() % 7, script.byte() % 7] + (0..<16).map { _ in script.byte() }
            try? memory.write(command, at: address)
            return UInt32(script.byte() % 19)
        }
        var header = NetHeader.tcp4()
        if kind & 4 != 0 { header.flags = script.byte() }
        if kind & 8 != 0 { header.segments = script.byte() }
        if kind & 16 != 0 { header.headerLength = script.half() }
        if kind & 32 != 0 { header.segmentSize = script.half() }
        if kind & 64 != 0 { header.checksumStart = script.half() }
        if kind & 128 != 0 { header.checksumOffset = script.half() }
        try? memory.store(header, at: address)
        return 12 + UInt32(script.half())
    }

    /// The host sends frames of any size, and reads what came.
    private static func host(_ script: inout DeviceScript, _ far: [NetGuest.FarEnd]) {
        let choice = Int(script.byte())
        let end = far[choice % far.count]
        if choice & 2 != 0 { _ = end.receive() }
        for _ in 0..<choice >> 4 {
            let count = Int(script.half())
            if !end.send([UInt8](repeating: 5, count: count)) { _ = end.receive() }
        }
    }
}
