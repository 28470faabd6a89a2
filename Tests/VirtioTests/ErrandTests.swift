// SPDX-License-Identifier: Apache-2.0
import Linux
import Memory
import Support
import Testing

@testable import Virtio

/// A device whose host takes as long as a test likes.
private struct SlowDevice: ~Copyable, VirtioDevice {
    static let id = DeviceID(rawValue: 43)
    static let queueSizes: [UInt16] = [8]

    struct Errand: HostErrand {
        let begun: Flag
        let mayEnd: Flag

        func run() -> Int {
            begun.set()
            while !mayEnd.isSet { Thread.yield() }
            return 7
        }
    }

    struct State: Hashable, Sendable {}

    private let slow: Errand
    private let host: EventFD
    private var hasErrand = false
    private(set) var results: [Int] = []

    init(_ errand: Errand) throws(Errno) {
        slow = errand
        host = try EventFD()
    }

    var configurationSize: Int { 1 }
    func configurationByte(at offset: Int) -> UInt8 { 9 }
    var hostEvents: CInt? { host.descriptor.rawValue }

    mutating func serve(_ queues: inout Virtqueues, index: Int) throws(VirtqueueError) {
        hasErrand = try queues[index].hasNext()
    }

    var errand: Errand? { hasErrand ? slow : nil }

    mutating func finishErrand(_ result: Int, _ queues: inout Virtqueues) throws(VirtqueueError) {
        guard hasErrand else { return }
        hasErrand = false
        results.append(result)
        if let chain = try queues[0].next() { queues[0].complete(chain, written: 0) }
    }

    mutating func drain(_ queues: inout Virtqueues) { hasErrand = false }
    mutating func reset() { hasErrand = false }
    func save() -> State { State() }
    mutating func restore(_ state: State) throws(RestoreError) {}
}

@Suite struct ErrandTests {
    /// A device in the midst of an errand, on a thread of its own.
    private final class Bench {
        let begun = Flag()
        let mayEnd = Flag()
        let driver: TestDriver<SlowDevice>
        private let server: TestThread

        init() throws {
            let errand = SlowDevice.Errand(begun: begun, mayEnd: mayEnd)
            driver = try TestDriver(try SlowDevice(errand))
            driver.start()
            driver.rings[0].publish([.readable(TestDriver<SlowDevice>.bufferBase, 4)])
            driver.write(MMIORegister.queueNotify, 0)
            let transport = driver.transport
            server = try TestThread("server") { transport.serveNotified() }
            #expect(begun.wait())
        }

        deinit { mayEnd.set() }

        /// Lets the errand end.
        func end() throws {
            mayEnd.set()
            try server.join()
        }

        var results: [Int] { driver.transport.withDevice { $0.results } }
    }

    @Test func `A processor that touches registers does not wait for the host's disk`() throws {
        let bench = try Bench()
        let transport = bench.driver.transport
        let isDone = Flag()
        // As a processor does, which a lock would hold for ever.
        let processor = try TestThread("processor") {
            _ = transport.read(offset: MMIORegister.status, size: 4)
            _ = transport.read(offset: MMIORegister.configuration, size: 1)
            transport.write(offset: MMIORegister.queueNotify, size: 4, value: 0)
            isDone.set()
        }
        #expect(isDone.wait(seconds: 10))
        try bench.end()
        try processor.join()
        #expect(bench.results == [7])
        #expect(bench.driver.rings[0].takeUsed().count == 1)
    }

    @Test func `After a reset nobody hears of an errand's end`() throws {
        let bench = try Bench()
        let transport = bench.driver.transport
        let isDone = Flag()
        let processor = try TestThread("processor") {
            transport.write(offset: MMIORegister.status, size: 4, value: 0)
            isDone.set()
        }
        #expect(isDone.wait(seconds: 10))
        try bench.end()
        try processor.join()
        #expect(bench.results == [])
        #expect(bench.driver.rings[0].takeUsed().isEmpty)

        bench.driver.start()
        bench.driver.rings[0].publish([.readable(TestDriver<SlowDevice>.bufferBase, 4)])
        bench.driver.notify(0)
        #expect(bench.results == [7])
        #expect(bench.driver.rings[0].takeUsed().count == 1)
    }

    @Test(arguments: [true, false])
    func `A pause and a change of the device wait for an errand`(pauses: Bool) throws {
        let bench = try Bench()
        let transport = bench.driver.transport
        let isDone = Flag()
        let host = try TestThread("host") {
            if pauses { transport.pause() } else { transport.updateConfiguration { _ in } }
            isDone.set()
        }
        // It has had time enough, had it not to wait.
        var nothing = PollSet()
        nothing.wait(milliseconds: 50)
        #expect(!isDone.isSet)
        try bench.end()
        try host.join()
        #expect(isDone.isSet)
        #expect(bench.results == [7])
        #expect(bench.driver.rings[0].takeUsed().count == 1)
    }
}
