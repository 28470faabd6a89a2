// SPDX-License-Identifier: Apache-2.0
import Devices
import Linux
import Memory
import Support
import Synchronization
import Virtio

/// A guest's driver that keeps a disk busy, without any engine: the device on its thread, the
/// driver on ours, notifications and interrupts between them.
///
///     swiftlet-bench-block FILE read|randread BYTES DEPTH SECONDS Sync|Async
///
/// Prints requests a second. Each request has a header, one buffer and a status, as Linux's driver
/// makes them; the driver sleeps until the device interrupts, and then gives all back at once.
struct BlockBench {
    let file: String
    let isRandom: Bool
    let bytes: UInt32
    let depth: UInt16
    let seconds: UInt64
    let engine: BlockConfiguration.Engine

    init?(_ words: [String]) {
        guard words.count == 6, ["read", "randread"].contains(words[1]),
            let bytes = UInt32(words[2]), bytes >= 512, bytes % 512 == 0, bytes <= 4 << 20,
            let depth = UInt16(words[3]), 1...64 ~= depth, let seconds = UInt64(words[4]),
            let engine = BlockConfiguration.Engine(rawValue: words[5])
        else { return nil }
        file = words[0]
        isRandom = words[1] == "randread"
        self.bytes = bytes
        self.depth = depth
        self.seconds = seconds
        self.engine = engine
    }

    /// Buffers lie from here on, headers and statuses below.
    static let buffers: UInt64 = 0x100_0000
    static let headers: UInt64 = 0x20_0000
    static let statuses: UInt64 = 0x30_0000

    func run() throws -> Double {
        var configuration = BlockConfiguration(id: "bench", path: file)
        configuration.engine = engine
        let device = try Block(configuration)
        let blocks = device.sectors / UInt64(bytes / 512)
        let memory = try GuestMemory(byteCount: 512 << 20, prefault: true)
        let interrupt = Interrupt()
        let transport = try MMIOTransport(device, memory: memory) { interrupt.event.signal() }
        let driver = TestDriver(transport, memory: memory)
        driver.start()
        let loop = try EventLoop()
        try transport.attach(to: loop)
        let thread = try Thread(name: "block bench") { loop.run() }
        defer {
            transport.pause()
            loop.stop()
        }
        var ring = Ring(memory, driver.rings[0])
        for slot in 0..<depth { try ring.describe(slot, bytes: bytes) }
        var next = Next(blocks: blocks, isRandom: isRandom)
        let start = Clock.monotonic
        let end = start + seconds * 1_000_000_000
        for slot in 0..<depth { try ring.publish(slot, sector: next.take() * UInt64(bytes / 512)) }
        transport.write(offset: MMIORegister.queueNotify, size: 4, value: 0)
        var count: UInt64 = 0
        while Clock.monotonic < end {
            interrupt.wait()
            transport.write(offset: MMIORegister.interruptAcknowledge, size: 4, value: 1)
            repeat {
                while let slot = try ring.take() {
                    count += 1
                    try ring.publish(slot, sector: next.take() * UInt64(bytes / 512))
                }
                // The next interrupt is to come with the next request; look again, as one may
                // have been done meanwhile.
                try ring.askForNext()
            } while try ring.hasUsed()
            if try ring.wantsNotification() {
                transport.write(offset: MMIORegister.queueNotify, size: 4, value: 0)
            }
        }
        let elapsed = Double(Clock.monotonic - start) / 1e9
        transport.pause()
        loop.stop()
        thread.join()
        return Double(count) / elapsed
    }
}

/// The device's wire, as something to sleep on.
final class Interrupt: Sendable {
    let event: EventFD

    init() {
        guard let event = try? EventFD() else { fatalError("no eventfd") }
        self.event = event
    }

    func wait() {
        while event.drain() == 0 {
            var set = PollSet()
            set.add(event.descriptor.rawValue, .readable)
            set.wait()
        }
    }
}

/// Which block is read next.
struct Next {
    let blocks: UInt64
    let isRandom: Bool
    var dice = Dice(1)
    var position: UInt64 = 0

    init(blocks: UInt64, isRandom: Bool) {
        self.blocks = blocks
        self.isRandom = isRandom
    }

    mutating func take() -> UInt64 {
        if isRandom { return dice.next() % blocks }
        position = (position + 1) % blocks
        return position
    }
}

/// The driver's side of a ring with fixed chains of three descriptors.
struct Ring {
    let memory: GuestMemory
    let ring: DriverRing
    var available: UInt16 = 0
    var used: UInt16 = 0
    /// ``available`` when the device was last notified.
    var notified: UInt16 = 0

    init(_ memory: GuestMemory, _ ring: DriverRing) {
        self.memory = memory
        self.ring = ring
    }

    func describe(_ slot: UInt16, bytes: UInt32) throws {
        let head = slot * 3
        let number = UInt64(slot)
        ring.setDescriptor(
            head,
            Descriptor(
                address: BlockBench.headers + number * 16, length: 16, flags: 1, next: head + 1))
        ring.setDescriptor(
            head + 1,
            Descriptor(
                address: BlockBench.buffers + number * (4 << 20), length: bytes, flags: 3,
                next: head + 2))
        ring.setDescriptor(
            head + 2, Descriptor(address: BlockBench.statuses + number, length: 1, flags: 2))
    }

    mutating func publish(_ slot: UInt16, sector: UInt64) throws {
        let header = GuestAddress(BlockBench.headers + UInt64(slot) * 16)
        try memory.store(0 as UInt64, at: header)
        try memory.store(sector, at: header &+ 8)
        let place = ring.available &+ (4 + UInt64(available % ring.size) * 2)
        try memory.store(slot * 3, at: place)
        available &+= 1
        try memory.storeRelease(available, at: ring.available &+ 2)
    }

    func hasUsed() throws -> Bool { try memory.loadAcquire(at: ring.used &+ 2) != used }

    mutating func take() throws -> UInt16? {
        guard try hasUsed() else { return nil }
        let place = ring.used &+ (4 + UInt64(used % ring.size) * 8)
        let head = try memory.load(UInt32.self, at: place)
        used &+= 1
        let slot = UInt16(head / 3)
        let status = try memory.load(
            UInt8.self, at: GuestAddress(BlockBench.statuses + UInt64(slot)))
        guard status == 0 else { fatalError("a request has failed: status \(status)") }
        return slot
    }

    func askForNext() throws {
        try memory.store(used, at: ring.available &+ (4 + UInt64(ring.size) * 2))
        atomicMemoryFence(ordering: .sequentiallyConsistent)
    }

    /// Whether the device asked to hear of what was published since this was last asked.
    mutating func wantsNotification() throws -> Bool {
        atomicMemoryFence(ordering: .sequentiallyConsistent)
        let event = try memory.loadAcquire(at: ring.used &+ (4 + UInt64(ring.size) * 8))
        let old = notified
        notified = available
        return available &- event &- 1 < available &- old
    }
}

func fail(_ text: String) -> Never {
    CurrentProcess.complain(text + "\n")
    CurrentProcess.exit(1)
}

guard let bench = BlockBench(Array(CommandLine.arguments.dropFirst())) else {
    fail("usage: swiftlet-bench-block FILE read|randread BYTES DEPTH SECONDS Sync|Async")
}
do {
    print(Int(try bench.run()))
} catch {
    fail("swiftlet-bench-block: \(error)")
}
