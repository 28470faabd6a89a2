// SPDX-License-Identifier: Apache-2.0
import Linux
import Support
import Synchronization
import Testing
import Virtio

@testable import Devices

/// Registers by their offset.
private enum Register {
    static let data: UInt64 = 0, enable: UInt64 = 1, identity: UInt64 = 2, line: UInt64 = 3
    static let modem: UInt64 = 4, lineStatus: UInt64 = 5, modemStatus: UInt64 = 6
    static let scratch: UInt64 = 7
}

@Suite struct SerialTests {
    let interrupts = InterruptCounter()

    func serial() throws -> Serial { try Serial(interrupt: interrupts.wire) }

    @Test func `A kernel's probe finds a 16550A`() throws {
        let port = try serial()
        func read(_ register: UInt64) -> UInt64 { port.read(offset: register, size: 1) }
        func write(_ register: UInt64, _ value: UInt64) {
            port.write(offset: register, size: 1, value: value)
        }

        // The interrupt enable register holds four bits.
        write(Register.enable, 0)
        #expect(read(Register.enable) == 0)
        write(Register.enable, 0xff)
        #expect(read(Register.enable) == 0x0f)
        write(Register.enable, 0)
        // Loopback crosses the modem lines: OUT2 and RTS come back as carrier and clear to send.
        write(Register.modem, 0x1a)
        #expect(read(Register.modemStatus) & 0xf0 == 0x90)
        write(Register.modem, 0)
        #expect(read(Register.modemStatus) & 0xf0 == 0xb0)
        // FIFOs on: both bits of the identification; there is no 64-byte mode.
        write(Register.identity, 0x01)
        #expect(read(Register.identity) >> 6 == 3)
        write(Register.identity, 0x21)
        #expect(read(Register.identity) >> 5 == 6)
        // No extended feature register behind the divisor latch.
        write(Register.line, 0x80)
        #expect(read(2) != 0)
        write(Register.line, 0xbf)
        #expect(read(2) != 0)
        write(Register.line, 0)
        write(Register.scratch, 0xa5)
        #expect(read(Register.scratch) == 0xa5)
        write(Register.identity, 0)
        #expect(read(Register.identity) == 0x01)
    }

    @Test func `The divisor latch is apart from the data`() throws {
        let port = try serial()
        port.write(offset: Register.line, size: 1, value: 0x83)
        port.write(offset: 0, size: 1, value: 0x34)
        port.write(offset: 1, size: 1, value: 0x12)
        #expect(port.read(offset: 0, size: 1) == 0x34)
        #expect(port.read(offset: 1, size: 1) == 0x12)
        port.write(offset: Register.line, size: 1, value: 3)
        #expect(port.read(offset: 1, size: 1) == 0)
        #expect(port.read(offset: 0, size: 1) == 0)
    }

    @Test func `An empty transmitter interrupts when asked to, and again`() throws {
        let port = try serial()

        port.write(offset: Register.enable, size: 1, value: 2)
        #expect(interrupts.take() == 1)
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 2)
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 1)
        // Turning it off and on again brings it back.
        port.write(offset: Register.enable, size: 1, value: 0)
        port.write(offset: Register.enable, size: 1, value: 2)
        #expect(interrupts.take() == 1)
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 2)
        // So does every byte.
        for _ in 0..<3 {
            port.write(offset: Register.data, size: 1, value: 0x41)
            #expect(interrupts.take() == 1)
            #expect(port.read(offset: Register.identity, size: 1) & 0xf == 2)
        }
    }

    @Test func `Input interrupts, waits in order and ends`() throws {
        let port = try serial()
        port.write(offset: Register.identity, size: 1, value: 0xc1)
        port.write(offset: Register.enable, size: 1, value: 1)

        let bytes = (0..<40).map { UInt8($0) }
        #expect(port.receive(bytes[...]) == 40)
        #expect(interrupts.take() == 1)
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 4)
        var seen: [UInt8] = []
        while port.read(offset: Register.lineStatus, size: 1) & 1 != 0 {
            seen.append(UInt8(port.read(offset: Register.data, size: 1)))
        }

        #expect(seen == bytes)
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 1)
        port.receive([1])
        #expect(interrupts.take() == 1)
        // Below the trigger level it is the time-out.
        #expect(port.read(offset: Register.identity, size: 1) & 0xf == 0xc)
    }

    @Test func `Loopback keeps bytes inside`() throws {
        let pipe = try UnixSocket.Pair()
        let port = try Serial(output: pipe.far.duplicate(), interrupt: interrupts.wire)
        port.write(offset: Register.modem, size: 1, value: 0x10)
        port.write(offset: Register.identity, size: 1, value: 1)
        for byte in 0..<20 as Range<UInt64> {
            port.write(offset: Register.data, size: 1, value: byte)
        }
        port.flush()

        #expect(port.read(offset: Register.lineStatus, size: 1) & 3 == 3)
        #expect(port.read(offset: Register.data, size: 1) == 0)
        #expect(port.read(offset: Register.data, size: 1) == 1)
        var buffer = [UInt8](repeating: 0, count: 8)
        #expect(throws: Errno.again) { _ = try pipe.near.read(into: &buffer) }
    }

    @Test func `Output comes out through the event loop`() throws {
        let pipe = try UnixSocket.Pair()
        let port = try Serial(output: pipe.far.duplicate(), interrupt: interrupts.wire)
        let loop = try EventLoop()
        try port.attach(to: loop)

        for byte in "hello".utf8 { port.write(offset: 0, size: 1, value: UInt64(byte)) }
        for _ in 0..<3 { loop.serveOnce(milliseconds: 10) }

        var buffer = [UInt8](repeating: 0, count: 64)
        let count = try pipe.near.read(into: &buffer)
        #expect(Array(buffer[..<count]) == Array("hello".utf8))
        port.detach(from: loop)
    }

    @Test func `A reader that blocks costs bytes, not memory, and the rest arrives`() throws {
        let pipe = try UnixSocket.Pair()
        let port = try Serial(output: pipe.far.duplicate(), interrupt: interrupts.wire)
        let loop = try EventLoop()
        try port.attach(to: loop)

        let total = 700_000
        for number in 0..<total {
            port.write(offset: 0, size: 1, value: UInt64(number & 0xff))
            if number % 1000 == 0 { loop.serveOnce(milliseconds: 0) }
        }
        let dropped = Int(port.droppedBytes)
        #expect(dropped > 0)
        let waiting = port.shared.withLock { $0.output.count }
        #expect(waiting <= Serial.outputLimit)
        var arrived = 0
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        for _ in 0..<2000 {
            if let count = try? pipe.near.read(into: &buffer) { arrived += count }
            loop.serveOnce(milliseconds: 0)
        }

        #expect(arrived + dropped == total)
        port.detach(from: loop)
    }

    @Test func `Output without end leaves the loop to others`() throws {
        let port = try Serial(
            output: FileDescriptor.open("/dev/null", flags: 1), interrupt: interrupts.wire)
        let loop = try EventLoop()
        try port.attach(to: loop)
        for _ in 0..<Serial.outputLimit { port.write(offset: 0, size: 1, value: 0x41) }
        let waiting = { port.shared.withLock { $0.output.count } }

        loop.serveOnce(milliseconds: 0)
        #expect(waiting() == Serial.outputLimit - SerialStream.turnLimit * 4096)

        for _ in 0..<100 where waiting() > 0 { loop.serveOnce(milliseconds: 0) }
        #expect(waiting() == 0)
        #expect(port.droppedBytes == 0)
        port.detach(from: loop)
    }

    @Test func `A reader that has gone harms nobody`() throws {
        let port: Serial
        do {
            let pipe = try UnixSocket.Pair()
            port = try Serial(output: pipe.far.duplicate(), interrupt: interrupts.wire)
        }
        let loop = try EventLoop()
        try port.attach(to: loop)

        for _ in 0..<100 { port.write(offset: 0, size: 1, value: 0x41) }
        let start = Clock.processCPU
        for _ in 0..<10 { loop.serveOnce(milliseconds: 5) }

        #expect(port.droppedBytes == 100)
        #expect(port.counts.failures > 0)
        #expect(Clock.processCPU - start < 1_000_000_000)
        port.detach(from: loop)
    }

    @Test func `Output without a console is no failure, and wakes nobody`() throws {
        let port = try serial()
        let loop = try EventLoop()
        try port.attach(to: loop)
        loop.serveOnce(milliseconds: 0)
        for _ in 0..<100 { port.write(offset: 0, size: 1, value: 0x41) }
        // Nothing waits for the loop, which was not told.
        #expect(port.shared.withLock { $0.output.isEmpty && !$0.isFlushing })
        loop.serveOnce(milliseconds: 0)
        port.detach(from: loop)
        port.flush()
        #expect(port.counts.writes == 100)
        #expect(port.counts.failures == 0)
        #expect(port.droppedBytes == 0)
    }

    @Test func `Bytes above the limit are lost and counted, and more may come later`() throws {
        let pipe = try UnixSocket.Pair()
        let limit = TokenBucketLimit(size: 10, refillTime: 100, oneTimeBurst: 5)
        let port = try Serial(
            output: pipe.far.duplicate(), limit: limit, interrupt: interrupts.wire)
        var sent: UInt64 = 0
        func send(_ byte: Character) {
            port.write(offset: Register.data, size: 1, value: UInt64(byte.asciiValue ?? 0))
            sent += 1
        }
        func arrived() throws -> [UInt8] {
            port.flush()
            var buffer = [UInt8](repeating: 0, count: 256)
            let count = try pipe.near.read(into: &buffer)
            return Array(buffer[..<count])
        }

        port.write(offset: Register.enable, size: 1, value: 2)
        for _ in 0..<100 { send("a") }
        // The guest is told of each byte as if it had left.
        #expect(interrupts.take() > 0)
        let first = try arrived()
        #expect(first.count >= 15)
        #expect(port.counts.aboveLimit == 100 - UInt64(first.count))
        let deadline = Clock.monotonic + 10_000_000_000
        var lost = port.counts.aboveLimit
        send("b")
        while port.counts.aboveLimit > lost, Clock.monotonic < deadline {
            lost = port.counts.aboveLimit
            send("b")
        }
        let later = try arrived()

        #expect(later.first == Character("b").asciiValue)
        let counts = port.counts
        #expect(counts.writes == UInt64(first.count + later.count))
        #expect(counts.writes + counts.aboveLimit == sent)
        #expect(port.droppedBytes == 0)
    }

    @Test func `A limit of nothing or in no time is none`() throws {
        for limit in [
            TokenBucketLimit(size: 0, refillTime: 100), TokenBucketLimit(size: 1, refillTime: 0),
        ] {
            let port = try Serial(limit: limit, interrupt: interrupts.wire)
            for _ in 0..<100 { port.write(offset: Register.data, size: 1, value: 0x41) }
            #expect(port.counts == Serial.Counts(writes: 100))
        }
    }

    @Test func `Input is taken as the guest has room for it`() throws {
        let pipe = try UnixSocket.Pair()
        let port = try Serial(input: pipe.far.duplicate(), interrupt: interrupts.wire)
        let loop = try EventLoop()
        try port.attach(to: loop)
        let bytes = (0..<50_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        var sent = 0
        var seen: [UInt8] = []

        for _ in 0..<200 {
            sent += (try? UnixSocket.send(bytes[sent...], to: pipe.near.rawValue)) ?? 0
            loop.serveOnce(milliseconds: 0)
        }
        let waiting = port.shared.withLock { $0.input.count }
        #expect(waiting <= Serial.inputLimit)
        for _ in 0..<100_000 where seen.count < bytes.count {
            while port.read(offset: Register.lineStatus, size: 1) & 1 != 0 {
                seen.append(UInt8(port.read(offset: 0, size: 1)))
            }
            if sent < bytes.count {
                sent += (try? UnixSocket.send(bytes[sent...], to: pipe.near.rawValue)) ?? 0
            }
            loop.serveOnce(milliseconds: 0)
        }

        #expect(seen == bytes)
        port.detach(from: loop)
    }

    @Test func `Input that cannot be watched is read all the same, and ends`() throws {
        let port = try Serial(
            input: FileDescriptor.open("/proc/self/comm"), interrupt: interrupts.wire)
        let empty = try Serial(
            input: FileDescriptor.open("/dev/null"), interrupt: interrupts.wire)
        let loop = try EventLoop()
        try port.attach(to: loop)
        try empty.attach(to: loop)

        #expect(port.read(offset: Register.lineStatus, size: 1) & 1 == 1)
        #expect(empty.read(offset: Register.lineStatus, size: 1) & 1 == 0)
        port.detach(from: loop)
        empty.detach(from: loop)
    }

    @Test func `Any access of any width is survived`() throws {
        let port = try serial()
        for offset in 0..<8 as Range<UInt64> {
            for size in [1, 2, 4, 8] {
                for value in [0, 1, 0x55, 0x80, 0xff, UInt64.max] {
                    port.write(offset: offset, size: size, value: value)
                    _ = port.read(offset: offset, size: size)
                }
            }
        }
        #expect(port.read(offset: 5, size: 2) == 0xffff)
        #expect(port.read(offset: 5, size: 8) == .max)
        #expect(port.counts.wideReads == 8 * 3 * 6 + 2)
        #expect(port.counts.wideWrites == 8 * 3 * 6)
    }

    @Test func `What is saved is what is restored`() throws {
        let port = try serial()
        port.write(offset: Register.identity, size: 1, value: 1)
        port.write(offset: Register.enable, size: 1, value: 5)
        port.receive([1, 2, 3])
        let state = port.save()

        let other = try serial()
        try other.restore(state)

        #expect(other.save() == state)
        #expect(other.read(offset: 0, size: 1) == 1)
        var bad = state
        bad.version = 7
        #expect(throws: RestoreError.version(7)) { try other.restore(bad) }
        bad = state
        bad.input = [UInt8](repeating: 0, count: Serial.inputLimit + 1)
        #expect(throws: RestoreError.value("input")) { try other.restore(bad) }
    }
}
