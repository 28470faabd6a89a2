// SPDX-License-Identifier: Apache-2.0
import Glibc
import Support
import Synchronization
import Testing

@testable import Linux

/// Signals that ask for the end, in processes of their own.
@Suite struct EndRequestTests {
    private static let kept = Mutex<EventLoop?>(nil)

    /// A loop for which they are held back, as long as this process lives.
    @discardableResult
    private static func loop(seconds: CInt = 60) throws -> EventLoop {
        try TestProcess.endsIn()
        let loop = try EventLoop()
        kept.withLock { $0 = loop }
        try EndRequest.hold(waking: loop, seconds: seconds, hungUp: 156)
        return loop
    }

    /// Binds this thread as the policies are now, be the monitor built with them or not.
    private static func bind(_ role: ThreadRole) throws {
        try Confinement.renouncePrivileges()
        try SeccompFilter.watchViolations()
        try PolicyFile.policy(role).compiled().install(role)
    }

    /// Sends `signal` to the calling thread after a moment, from one that nothing binds.
    private static func send(_ signal: CInt) throws {
        let target = pthread_self()
        try Thread(name: "sender") {
            usleep(200_000)
            pthread_kill(target, signal)
        }.detach()
    }

    @Test func `A loop that sleeps behind its filter wakes up and knows why`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let loop = try Self.loop()
            try Self.send(SIGTERM)
            try Self.bind(.loop)
            EndRequest.admit()
            while loop.serveOnce(), EndRequest.signal == nil {}
            _exit(EndRequest.signal == .terminate ? 7 : 8)
        }
    }

    @Test func `A signal that comes before anybody takes it is not lost`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            let loop = try Self.loop()
            raise(SIGINT)
            guard EndRequest.signal == nil else { _exit(1) }
            EndRequest.admit()
            guard EndRequest.signal == .interrupt else { _exit(2) }
            // Who looks at it only between two sleeps is woken from the next one, or has been.
            loop.serveOnce()
            _exit(7)
        }
    }

    @Test func `A thread that was made meanwhile holds them back`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            try Self.loop()
            try Thread(name: "other") {
                raise(SIGTERM)
                raise(SIGALRM)
                _exit(EndRequest.signal == nil ? 7 : 8)
            }.join()
        }
    }

    @Test func `The first counts`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            try Self.loop()
            EndRequest.admit()
            for signal in [SIGTERM, SIGHUP, SIGINT] { raise(signal) }
            _exit(EndRequest.signal == .terminate ? 7 : 8)
        }
    }

    @Test func `An alarm that nobody here has set is nobody's request`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            try Self.loop()
            EndRequest.admit()
            raise(SIGALRM)
            _exit(EndRequest.signal == nil ? 7 : 8)
        }
    }

    @Test func `An alarm that nobody here has set cuts no time short`() async {
        let result = await #expect(
            processExitsWith: .exitCode(156), observing: [\.standardErrorContent]
        ) {
            try Self.loop(seconds: 1)
            // Both wait, the alarm behind the request, as that of a timer that was here before.
            raise(SIGALRM)
            raise(SIGHUP)
            try Self.bind(.loop)
            EndRequest.admit()
            let sentence = "goes on\n"
            _ = unsafe write(2, sentence, sentence.utf8.count)
            while true {}
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.hasPrefix("goes on\n"), "\(text)")
        #expect(text.contains("the monitor was told to end and has not in time\n"), "\(text)")
    }

    @Test func `A loop that is stuck behind its filter ends with a sentence`() async {
        let result = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
        ) {
            try Self.loop(seconds: 1)
            try Self.send(SIGTERM)
            try Self.bind(.loop)
            EndRequest.admit()
            while true {}
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("the monitor was told to end and has not in time\n"), "\(text)")
    }

    @Test func `A call that waits for ever ends with the status of a line that was hung up`() async
    {
        await #expect(processExitsWith: .exitCode(156)) {
            try Self.loop(seconds: 1)
            EndRequest.admit()
            raise(SIGHUP)
            while true { pause() }
        }
    }

    @Test func `Who only takes signals may do so behind its filter`() async {
        await #expect(processExitsWith: .exitCode(156)) {
            try Self.loop(seconds: 1)
            try Self.send(SIGHUP)
            try Self.bind(.worker)
            EndRequest.serve()
        }
    }
}
