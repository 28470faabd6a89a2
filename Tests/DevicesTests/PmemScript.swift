// SPDX-License-Identifier: Apache-2.0
import Memory
import Support
import Virtio

@testable import Devices

/// A driver of persistent memory whose every step, and every step of the host, is a byte of somebody
/// else's choice. The first byte says whether the file can be written to.
enum PmemScript {
    /// What the file that is read-only holds.
    private static let mark = [UInt8](repeating: 0xa5, count: 64)

    /// Memory with two files, the second of which is read-only.
    static func makeMemory() throws -> (GuestMemory, [ScratchFile]) {
        let files = [try ScratchFile(byteCount: 2 << 20), try ScratchFile(byteCount: 3 << 20)]
        try files[1].write(mark)
        let memory = try GuestMemory(
            byteCount: 32 << 20,
            persistent: [
                try PersistentFile(files[0].path, isReadOnly: false),
                try PersistentFile(files[1].path, isReadOnly: true),
            ])
        return (memory, files)
    }

    /// Answers what is wrong afterwards, or nil.
    static func run(
        _ bytes: [UInt8], memory: GuestMemory, _ files: [ScratchFile]
    ) throws -> String? {
        var script = DeviceScript(bytes)
        let choice = Int(script.byte() & 1)
        let driver = try TestDriver(Pmem(memory.persistent[choice]), memory: memory)
        let wrong = script.run(
            driver, chain: { request(&$0, memory) }, host: { host(&$0, driver.transport) })
        guard try files[1].read(count: mark.count) == mark else {
            return "a read-only file changed"
        }
        return wrong
    }

    /// A request that is right in most of its parts, in RAM or in either file.
    private static func request(
        _ script: inout DeviceScript, _ memory: GuestMemory
    ) -> [DriverRing.Buffer] {
        let place = Self.place(&script)
        try? memory.store(script.byte() & 7 == 0 ? script.word() : 0, at: GuestAddress(place))
        var chain: [DriverRing.Buffer] = [
            .readable(place, script.byte() & 7 == 0 ? script.length() : 4)
        ]
        for _ in 0..<script.byte() % 3 {
            chain.append(
                .writable(
                    Self.place(&script), script.byte() & 7 == 0 ? script.length() : 4))
        }
        return chain
    }

    private static func place(_ script: inout DeviceScript) -> UInt64 {
        let choice = script.byte()
        let offset = UInt64(script.byte()) * 64
        return switch choice & 15 {
        case 0: script.address()
        case 1: PersistentMemory.base + offset
        case 2: PersistentMemory.base + 2 << 20 + offset
        case 3: PersistentMemory.base + 2 << 20 - offset % 16
        case 4: PersistentMemory.base + 6 << 20 - offset % 16
        default: 0x60_0000 + offset
        }
    }

    private static func host(_ script: inout DeviceScript, _ transport: MMIOTransport<Pmem>) {
        switch script.byte() % 3 {
        case 0:
            let size = UInt64(script.byte())
            transport.withDevice {
                $0.setLimits(RateLimits(operations: TokenBucketLimit(size: size, refillTime: 1)))
            }
        case 1: transport.serveHost()
        default: DeviceScript.move(transport)
        }
    }
}
