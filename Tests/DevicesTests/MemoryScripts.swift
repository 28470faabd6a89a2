// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Virtio

@testable import Devices

/// A balloon whose driver and host take steps of somebody else's choice.
enum BalloonScript {
    /// Answers what is wrong afterwards, or nil.
    static func run(_ bytes: [UInt8], memory: GuestMemory) throws -> String? {
        var script = DeviceScript(bytes)
        var options = BalloonOptions()
        let choice = script.byte()
        options.deflatesOnOOM = choice & 1 != 0
        options.statisticsInterval = choice & 2 != 0 ? 3600 : 0
        options.hints = choice & 4 != 0
        options.reports = choice & 8 != 0
        let driver = try TestDriver(Balloon(options), memory: memory)
        return script.run(
            driver, packet: { list(&$0, at: $1, in: memory) },
            host: { host(&$0, driver.transport) })
    }

    /// Page numbers, or statistics, or a command: all are words.
    private static func list(
        _ script: inout DeviceScript, at address: GuestAddress, in memory: GuestMemory
    ) -> UInt32 {
        let count = UInt32(script.byte() % 64)
        for index in 0..<UInt64(count) {
            let number: UInt32 =
                switch script.byte() % 4 {
                case 0: script.word()
                case 1: UInt32(script.byte() & 3)
                default: 0x1000 + UInt32(script.byte())
                }
            try? memory.store(number, at: address &+ index * 4)
        }
        return script.byte() & 7 == 0 ? script.length() : count * 4
    }

    private static func host(
        _ script: inout DeviceScript, _ transport: MMIOTransport<Balloon>
    ) {
        let choice = script.byte()
        let word = script.word()
        switch choice % 6 {
        case 0: transport.updateConfiguration { $0.setTarget(word) }
        case 1:
            transport.updateConfiguration { $0.startHinting(acknowledgesStop: word & 1 != 0) }
        case 2: transport.updateConfiguration { $0.stopHinting() }
        case 3: _ = transport.withDevice { $0.setStatisticsInterval(UInt16(word & 0xffff)) }
        case 4: DeviceScript.move(transport)
        default: transport.serveHost()
        }
    }
}

/// A device for pluggable memory, likewise.
enum MemoryScript {
    /// Blocks that `memory` must have: more than two turns change.
    static let blocks: UInt64 = 1100

    /// Answers what is wrong afterwards, or nil.
    static func run(_ bytes: [UInt8], memory: GuestMemory) throws -> String? {
        try memory.unplug(blocks: 0..<Int(blocks))
        guard let device = MemoryDevice(memory) else { return "nothing can be plugged" }
        let driver = try TestDriver(device, memory: memory)
        var script = DeviceScript(bytes)
        let wrong = script.run(
            driver, answerSize: 10, packet: { request(&$0, at: $1, in: memory) },
            host: { host(&$0, driver.transport) })
        let plugged = (0..<Int(blocks)).filter { memory.pluggable?.isPlugged($0) ?? false }.count
        let size = UInt64(plugged) * PluggableSize.leastBlock
        guard driver.transport.withDevice({ $0.pluggedByteCount }) == size else {
            return "another size than is plugged"
        }
        return wrong
    }

    private static func request(
        _ script: inout DeviceScript, at address: GuestAddress, in memory: GuestMemory
    ) -> UInt32 {
        let block = UInt64(script.half() % 1200)
        var place = PluggableMemory.base + block * PluggableSize.leastBlock
        if script.byte() & 15 == 0 { place = UInt64(script.word()) << 32 | UInt64(script.word()) }
        let count: UInt16 =
            switch script.byte() % 8 {
            case 0: script.half()
            case 1: script.half() % 1200
            default: UInt16(script.byte() % 16)
            }
        try? memory.store(UInt16(script.byte() % 6), at: address)
        try? memory.store(place, at: address &+ 8)
        try? memory.store(count, at: address &+ 16)
        return script.byte() & 15 == 0 ? script.length() : 24
    }

    private static func host(
        _ script: inout DeviceScript, _ transport: MMIOTransport<MemoryDevice>
    ) {
        guard script.byte() & 3 != 0 else { return DeviceScript.move(transport) }
        let size =
            UInt64(script.half() % 1200) * PluggableSize.leastBlock + UInt64(script.byte() & 1)
        transport.updateConfiguration { _ = $0.setRequested(size) }
    }
}
