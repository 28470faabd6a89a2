// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization
import Testing

@testable import Linux

@Suite struct EventLoopTests {
    /// An event that counts how often its handler was called.
    private final class Source: Sendable {
        let event: EventFD
        let calls = Atomic<Int>(0)

        init() throws(Errno) { event = try EventFD() }

        var raw: CInt { event.descriptor.rawValue }

        func watch(on loop: EventLoop) throws(Errno) {
            try loop.add(raw, .readable) { _ in
                self.event.drain()
                self.calls.add(1, ordering: .relaxed)
            }
        }

        var count: Int { calls.load(ordering: .relaxed) }
    }

    @Test func `Each event finds its own handler, whoever else has come and gone`() throws {
        let loop = try EventLoop()
        var sources: [Source] = []
        for _ in 0..<40 {
            let source = try Source()
            try source.watch(on: loop)
            sources.append(source)
        }
        for source in sources.enumerated() where source.offset % 3 == 0 {
            loop.remove(source.element.raw)
        }
        // One that was gone comes again.
        try sources[9].watch(on: loop)
        for source in sources { source.event.signal() }
        loop.serveOnce(milliseconds: 0)
        for (index, source) in sources.enumerated() {
            #expect(source.count == (index % 3 == 0 && index != 9 ? 0 : 1), "\(index)")
        }
        #expect(throws: Errno.noEntry) { try loop.modify(sources[0].raw, .readable) }
    }

    @Test func `A second handler for a descriptor is refused, and the first one stays`() throws {
        let loop = try EventLoop()
        let source = try Source()
        try source.watch(on: loop)
        #expect(throws: Errno.exists) { try source.watch(on: loop) }
        source.event.signal()
        loop.serveOnce(milliseconds: 0)
        #expect(source.count == 1)
        try loop.modify(source.raw, [])
        source.event.signal()
        loop.serveOnce(milliseconds: 0)
        #expect(source.count == 1)
    }

    /// Counts calls.
    private final class Calls: Sendable {
        private let calls = Atomic<Int>(0)
        var count: Int { calls.load(ordering: .relaxed) }
        func note() { calls.add(1, ordering: .relaxed) }
    }

    /// The first descriptor is closed without being removed.
    @Test func `A number that comes again has no handler but its new one`() throws {
        let loop = try EventLoop()
        let old = Calls()
        let first = try EventFD()
        let number = first.descriptor.rawValue
        try loop.add(number, .readable) { _ in old.note() }
        // Nobody else can take the number in between, and the kernel forgets what had it.
        let source = try Source()
        #expect(dup2(source.raw, number) == number)
        let new = Calls()
        try loop.add(number, .readable) { _ in
            source.event.drain()
            new.note()
        }

        try loop.modify(number, .readable)
        source.event.signal()
        loop.serveOnce(milliseconds: 0)
        #expect(old.count == 0)
        #expect(new.count == 1)

        loop.remove(number)
        #expect(throws: Errno.noEntry) { try loop.modify(number, .readable) }
        // Up to here the number is this value's.
        _ = first.descriptor.rawValue
    }
}
