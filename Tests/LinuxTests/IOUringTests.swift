// SPDX-License-Identifier: Apache-2.0
import CLinux
import Support
import Testing

@testable import Linux

@Suite struct IOUringTests {
    @Test func `Requests come back with their tokens and what they did`() throws {
        let scratch = try ScratchFile(byteCount: 8192)
        let file = try FileDescriptor.open(scratch.path, flags: 2)
        let memory = try Mapping.anonymous(byteCount: 8192)
        var ring = try IOUring(capacity: 8)
        #expect(ring.next() == nil)

        try scratch.write([UInt8](repeating: 7, count: 4096))
        ring.transfer(
            file.rawValue, writing: false, address: memory.address, count: 4096, position: 0,
            token: 11)
        ring.transfer(
            file.rawValue, writing: false, address: memory.address, count: 4096, position: 8192,
            token: 12)
        ring.synchronizeData(file.rawValue, token: 13)
        ring.zero(file.rawValue, .giveBack, position: 4096, count: 4096, token: 14)
        ring.transfer(
            -1, writing: true, address: memory.address, count: 1, position: 0, token: 15)
        try ring.submit(waitingFor: 5)

        var results: [UInt64: Int32] = [:]
        while let completion = ring.next() { results[completion.token] = completion.result }
        #expect(results == [11: 4096, 12: 0, 13: 0, 14: 0, 15: -9])
        #expect(ring.available == 0)
    }

    @Test func `A ring goes round many times`() throws {
        var ring = try IOUring(capacity: 4)
        let timer = try Timer()
        timer.arm(at: 1)
        for round in 0..<100 as Range<UInt64> {
            for index in 0..<4 as Range<UInt64> {
                let hasRoom = ring.hasRoom
                #expect(hasRoom)
                ring.pollReadable(timer.descriptor.rawValue, token: round * 4 + index)
            }
            let isFull = !ring.hasRoom
            #expect(isFull)
            try ring.submit(waitingFor: 4)
            var tokens: [UInt64] = []
            while let completion = ring.next() { tokens.append(completion.token) }
            #expect(tokens.sorted() == (0..<4).map { round * 4 + $0 })
        }
    }

    @Test func `What was not submitted can be taken back, last first`() throws {
        var ring = try IOUring(capacity: 4)
        ring.synchronizeData(-1, token: 1)
        ring.synchronizeData(-1, token: 2)
        #expect(ring.takeBack() == 2)
        #expect(ring.takeBack() == 1)
        #expect(ring.takeBack() == nil)
        ring.synchronizeData(-1, token: 3)
        try ring.submit(waitingFor: 1)
        #expect(ring.next() == IOUring.Completion(token: 3, result: -9))
    }

    @Test func `A ring does what drives need and nothing else`() throws {
        var ring = try IOUring(capacity: 8)
        // To open, to call somebody, to remove a name, to do nothing: no list of calls would see it.
        for operation in [IORING_OP_OPENAT, IORING_OP_CONNECT, IORING_OP_UNLINKAT, IORING_OP_NOP] {
            ring.put(operation, -1, position: 0, address: 0, count: 0, token: 1)
            try ring.submit(waitingFor: 1)
            let completion = ring.next()
            #expect(completion?.result == -13, "\(operation)")
        }
        ring.synchronizeData(-1, token: 2)
        try ring.submit(waitingFor: 1)
        #expect(ring.next() == IOUring.Completion(token: 2, result: -9))
    }

    @Test func `To wait for what is under way submits nothing`() throws {
        var ring = try IOUring(capacity: 4)
        let event = try EventFD()
        ring.pollReadable(event.descriptor.rawValue, token: 1)
        try ring.submit()
        ring.synchronizeData(-1, token: 2)

        event.signal()
        try ring.wait(for: 1)

        #expect(ring.waiting == 1)
        #expect(ring.next()?.token == 1)
        #expect(ring.next() == nil)
        #expect(ring.takeBack() == 2)
    }

    @Test func `A host that forbids rings is told so in a sentence`() {
        for number in [1, 13, 38, 12] as [CInt] {
            let text = IOUring.explain(Errno(rawValue: number))
            #expect(text.contains("io_uring"), "\(text)")
        }
    }
}
