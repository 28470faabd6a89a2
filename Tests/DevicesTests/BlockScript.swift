// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// A driver of a disk whose every step is a byte of somebody else's choice.
enum BlockScript {
    /// Runs it; answers what is wrong afterwards, or nil.
    static func run(
        _ bytes: [UInt8], _ engine: BlockConfiguration.Engine, _ file: ScratchFile,
        memory: GuestMemory? = nil
    ) throws -> String? {
        var configuration = BlockConfiguration(id: "fuzz", path: file.path)
        configuration.engine = engine
        configuration.cache = .writeback
        configuration.queueCount = 4
        try file.resize(1 << 20)
        let driver = try TestDriver(Block(configuration), memory: memory)
        var script = DeviceScript(bytes)
        return script.run(
            driver, chain: { script in request(&script, driver.memory) },
            host: { script in change(&script, driver, file) })
    }

    /// A request that is right in most of its parts.
    private static func request(
        _ script: inout DeviceScript, _ memory: GuestMemory
    ) -> [DriverRing.Buffer] {
        let choice = script.byte()
        let types: [UInt32] = [0, 1, 4, 8, 11, 13, 0, 1]
        let type = choice & 0x80 == 0 ? types[Int(choice & 7)] : UInt32(script.byte())
        let sector = script.byte() & 15 == 0 ? UInt64(script.word()) << 32 : UInt64(script.byte())
        // Each its own header and status, as requests overlap.
        let place = 0x60_0000 + UInt64(script.byte()) * 64
        try? memory.store(BlockHeader(type: type, sector: sector), at: GuestAddress(place))
        var chain: [DriverRing.Buffer] = [.readable(place, choice & 0x40 == 0 ? 16 : 9)]
        for _ in 0..<script.byte() % 5 {
            let address =
                script.byte() & 15 == 0 ? script.address() : 0x70_0000 + UInt64(script.half())
            let length: UInt32
            switch type {
            case 11, 13:
                let range = BlockRange(
                    sector: UInt64(script.byte()), count: UInt32(script.byte()),
                    flags: UInt32(script.byte() & 3))
                try? memory.store(range, at: GuestAddress(address & ~15))
                length = 16
            default:
                length = script.byte() & 7 == 0 ? script.length() : UInt32(script.byte() & 7) * 512
            }
            chain.append(
                type == 0 || type == 8 ? .writable(address, length) : .readable(address, length))
        }
        if choice & 0x20 == 0 { chain.append(.writable(place + 32, 1)) }
        return chain
    }

    /// What the host does meanwhile.
    private static func change(
        _ script: inout DeviceScript, _ driver: TestDriver<Block>, _ file: ScratchFile
    ) {
        switch script.byte() % 4 {
        case 0: try? file.resize((UInt64(script.byte()) + 1) << 12)
        case 1:
            try? driver.transport.updateConfiguration { device throws(BlockError) in
                try device.replaceDisk(path: file.path)
            }
        case 2:
            let size = UInt64(script.byte())
            driver.transport.withDevice {
                $0.setLimits(
                    RateLimits(operations: TokenBucketLimit(size: size, refillTime: 1)))
            }
        default: DeviceScript.move(driver.transport)
        }
    }
}
