// SPDX-License-Identifier: Apache-2.0
import Support
import Testing

@testable import Linux

@Suite struct ProcessTests {
    /// Runs `script` in a shell with standard output into a pipe: what it wrote and how it ended.
    private func shell(
        _ script: String, environment: [String] = []
    ) throws -> (output: String, end: ProcessEnd) {
        let output = try Pipe()
        let nothing = try FileDescriptor.open("/dev/null")
        let child = try ChildProcess(
            path: "/bin/sh", arguments: ["-c", script], environment: environment,
            descriptors: [nothing.rawValue, output.writer.rawValue, 2])
        let end = try TestProcess.end(of: child, script)
        try output.reader.setNonblocking()
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = (try? output.reader.read(into: &bytes)) ?? 0
        return (String(decoding: bytes[..<count], as: UTF8.self), end)
    }

    @Test(
        arguments: [
            ("exit 7", .exited(7)), ("kill -9 $$", .signalled(9)), ("exit 0", .exited(0)),
        ] as [(String, ProcessEnd)])
    func `The end of a child is told as it was`(_ script: String, _ end: ProcessEnd) throws {
        #expect(try shell(script).end == end)
    }

    @Test func `A child has the descriptors it was given and no others`() throws {
        let extra = try FileDescriptor.open("/dev/zero")
        // The listing itself holds one descriptor while it reads the directory.
        let listing = try shell("echo /proc/self/fd/*").output
        #expect(extra.rawValue >= 0)
        #expect(listing.split(separator: " ").count <= 4, "\(listing)")
    }

    @Test func `A child gets the environment it was given`() throws {
        let answer = try shell(
            "echo $SWIFTLET_A; echo ${HOME:-none}", environment: ["SWIFTLET_A=1"])
        #expect(answer.output == "1\nnone\n")
    }

    @Test func `A child leads a session of its own`() throws {
        let stat = try shell("cut -d' ' -f1,6 /proc/$$/stat", environment: ["PATH=/usr/bin:/bin"])
        let fields = stat.output.split(whereSeparator: \.isWhitespace)
        #expect(fields.count == 2)
        #expect(fields.first == fields.last)
    }

    @Test func `A program that is not there is an error and no child`() {
        #expect(throws: Errno.noEntry) {
            _ = try ChildProcess(path: "/nonexistent", arguments: [], descriptors: [0, 1, 2])
        }
    }

    @Test func `A child's descriptor is readable once it has ended`() throws {
        let child = try ChildProcess(
            path: "/bin/sh", arguments: ["-c", "exit 3"], descriptors: [0, 1, 2])
        var set = PollSet()
        set.add(child.descriptor.rawValue, .readable)
        set.wait(milliseconds: 10_000)
        #expect(set.isReadable(child.descriptor.rawValue))
        #expect(try TestProcess.end(of: child, "exit 3") == .exited(3))
    }

    private static let deathName = "@swiftlet-test/dies-with-its-parent"

    /// The killed process leaves its socket to a child that would sleep for long; so the name is
    /// free again only once that child is gone too.
    @Test func `A child dies with a parent that is killed`() async throws {
        await #expect(processExitsWith: .signal(9)) {
            let listener = try UnixSocket.listen(at: Self.deathName)
            _ = try ChildProcess(
                path: "/bin/sleep", arguments: ["100"], descriptors: [0, 1, 2, listener.rawValue])
            CurrentProcess.end(by: .kill)
        }
        let deadline = Clock.monotonic + 10_000_000_000
        while Clock.monotonic < deadline {
            if (try? UnixSocket.listen(at: Self.deathName)) != nil { return }
            var set = PollSet()
            set.wait(milliseconds: 10)
        }
        Issue.record("the child has outlived its parent")
    }

    @Test func `A memory file holds its bytes from the start`() throws {
        let file = try MemoryFile.make(named: "test", holding: Array("hello".utf8))
        let contents = try FileSystem.contents(of: "/proc/self/fd/\(file.rawValue)", limit: 100)
        #expect(contents == Array("hello".utf8))
        #expect(try FileSystem.contents(of: "/proc/self/fd/\(file.rawValue)", limit: 4) == nil)
    }
}

@Suite struct UnixSocketNameTests {
    /// Not in use by anybody else: the process number is ours alone.
    private var name: String { "@swiftlet-test/\(CurrentProcess.identifier)-\(#line)" }

    @Test func `An abstract name is no file and is free again with its socket`() throws {
        let path = name
        do {
            let listener = try UnixSocket.listen(at: path)
            let caller = try UnixSocket.connect(to: path)
            let callee = try UnixSocket.accept(on: listener.rawValue)
            #expect(try UnixSocket.peer(of: callee).process == CurrentProcess.identifier)
            #expect(try UnixSocket.peer(of: caller).isSameUser)
            #expect(FileSystem.readError(path) == .noEntry)
        }
        _ = try UnixSocket.listen(at: path)
    }

    @Test func `A name that nobody listens under refuses`() {
        #expect(throws: Errno(rawValue: 111)) { _ = try UnixSocket.connect(to: "@swiftlet-nobody") }
    }
}
