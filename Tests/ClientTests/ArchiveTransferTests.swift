// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

@testable import Client

/// Archives on streams, with an agent that the test plays.
@Suite struct ArchiveTransferTests {
    private let far: TestSocket
    private let transfer: TreeTransfer
    private let scratch: ScratchTree

    init() throws {
        let pair = try UnixSocket.Pair()
        far = TestSocket(try pair.far.duplicate())
        transfer = TreeTransfer(on: AgentChannel(try pair.near.duplicate()), of: "web")
        scratch = try ScratchTree()
    }

    /// Does what it is asked to, as an honest agent.
    private static func serve(_ socket: CInt) {
        var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
        var writer: TreeWriter?
        func say(_ bytes: [UInt8]) {
            var rest = bytes[...]
            while !rest.isEmpty {
                if let count = try? UnixSocket.send(rest, to: socket) {
                    rest = rest.dropFirst(count)
                    continue
                }
                var set = PollSet()
                set.add(socket, .writable)
                set.wait(milliseconds: 10_000)
                guard set.readiness(of: socket) == .writable else { return }
            }
        }
        func say(_ frame: Frame) { say((try? frame.encoded()) ?? []) }
        func answer(_ frame: Frame) throws {
            switch frame {
            case .hello: say(.hello(version: 3))
            case .sendArchive(let path):
                let reader = TreeReader(path: path, tellsSizes: true)
                while !reader.isComplete {
                    var bytes: [UInt8] = []
                    try reader.read(into: &bytes)
                    say(bytes)
                }
            case .takeArchive(let destination):
                var policy = TreePolicy()
                policy.takesHardLinks = true
                writer = TreeWriter(destination, policy: policy)
            case .entry(let entry): try writer?.take(entry)
            case .data(let data): try writer?.take(data)
            case .endOfEntry:
                try writer?.end()
                if writer?.isComplete == true { say(.done) }
            default: throw TreeFault(.order)
            }
        }
        while true {
            var set = PollSet()
            set.add(socket, .readable)
            set.wait(milliseconds: 10_000)
            guard var bytes = (try? Stream.read(socket, limit: 1 << 16))?[...], !bytes.isEmpty
            else { return }
            while !bytes.isEmpty {
                bytes = bytes.dropFirst(decoder.append(bytes))
                while let frame = (try? decoder.next()) ?? nil {
                    do {
                        try answer(frame)
                    } catch {
                        return say(.treeFault(error as? TreeFault ?? TreeFault(.order)))
                    }
                }
            }
        }
    }

    /// `body` while an honest agent serves.
    private func served<Value>(_ body: () throws -> Value) throws -> Value {
        let socket = far.socket.rawValue
        let agent = try TestThread("agent") { Self.serve(socket) }
        let outcome = Result { try body() }
        UnixSocket.shutdown(socket, .reading)
        UnixSocket.shutdown(socket, .writing)
        try agent.join()
        return try outcome.get()
    }

    private func say(_ frames: [Frame]) throws {
        for frame in [.hello(version: 3)] + frames { try far.send(try frame.encoded()) }
        far.endWriting()
    }

    /// Starts a shell in the test's directory.
    private func shell(_ script: String, _ descriptors: [CInt]) throws -> ChildProcess {
        try ChildProcess(
            path: "/bin/sh", arguments: ["-c", "cd '\(scratch.path)'; \(script)"],
            environment: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], descriptors: descriptors)
    }

    private func unpack(_ script: String) throws -> CopySummary? {
        let null = try FileDescriptor.open("/dev/null", flags: 2)
        let pipe = try Pipe()
        let child = try shell(script, [null.rawValue, pipe.writer.rawValue, 2])
        let input = pipe.intoReader()
        let outcome = Result {
            try transfer.unpack(input.rawValue, to: Array((scratch.path + "/in").utf8))
        }
        _ = consume input
        _ = try TestProcess.end(of: child, script)
        return try outcome.get()
    }

    /// Gives the archive of `source` to `script`.
    private func archive(
        _ source: String, as name: String = "t", limit: UInt64 = 1 << 30, to script: String
    ) throws -> CopySummary? {
        let null = try FileDescriptor.open("/dev/null", flags: 2)
        let pipe = try Pipe()
        let child = try shell(script, [pipe.reader.rawValue, null.rawValue, 2])
        let output = pipe.intoWriter()
        let outcome = Result {
            try transfer.archive(
                source, as: Array(name.utf8), to: output.rawValue, byteLimit: limit,
                keepsSetID: true)
        }
        _ = consume output
        _ = try TestProcess.end(of: child, script)
        return try outcome.get()
    }

    @Test func `What tar writes is unpacked, though it goes on behind the archive`() throws {
        try scratch.shell(
            """
            \(TarReaderTests.tree)
            head -c 3000000 /dev/urandom > t/large; touch -d 2001-02-03 t/large
            """)
        let summary = try served {
            try unpack("{ tar c -C t .; head -c 300000 /dev/zero; }")
        }
        #expect(summary?.omitted == 0)
        #expect(try scratch.shell("find t | wc -l") == "\(summary?.entries ?? 0)\n")
        try scratch.shell("find t in -type d -exec touch -d 2001-02-03 {} +")
        #expect(try scratch.listing(of: "in") == scratch.listing(of: "t"))
    }

    @Test func `An archive that ends in one block of zeros is at its end`() throws {
        try scratch.shell("mkdir t; echo x > t/f")
        let summary = try served { try unpack("tar c -b 1 -C t . | head -c -512") }
        #expect(summary?.entries == 2)
        #expect(try scratch.shell("cat in/f") == "x\n")
    }

    @Test func `What the guest takes slowly is not lost when the stream ends`() throws {
        try scratch.shell("head -c 8000000 /dev/urandom > f")
        let summary = try served { try unpack("tar c f") }
        #expect(summary?.bytes == 8_000_000)
    }

    @Test func `What a guest has is an archive for tar`() throws {
        try scratch.shell(
            """
            \(TarReaderTests.tree)
            head -c 3000000 /dev/urandom > t/large; mkfifo t/fifo; mkdir x
            """)
        let summary = try served { try archive(scratch.path + "/t", to: "tar xp -C x") }
        #expect(summary?.omitted == 1)
        #expect(summary?.shortened == 0)
        try scratch.shell("rm t/fifo; find t x/t -type d -exec touch -d 2001-02-03 {} +")
        #expect(try scratch.listing(of: "x/t") == scratch.listing(of: "t"))
    }

    @Test func `Whoever reads the archive slowly gets all of it`() throws {
        try scratch.shell("head -c 3000000 /dev/zero > f")
        let summary = try served {
            try archive(scratch.path + "/f", as: "f", to: "sleep 0.3; cat > out")
        }
        #expect(summary?.bytes == 3_000_000)
        #expect(try scratch.shell("tar x -f out -O f | cmp - f; echo same") == "same\n")
    }

    @Test func `An archive that nobody reads is at its end`() throws {
        try scratch.shell("head -c 3000000 /dev/zero > f")
        Signal.pipe.ignore()
        let summary = try served { try archive(scratch.path + "/f", as: "f", to: "exit 0") }
        #expect(summary == nil)
    }

    @Test func `A full disk is told`() throws {
        try scratch.shell("echo x > f")
        let full = try FileDescriptor.open("/dev/full", flags: 1)
        let error = #expect(throws: ClientError.self) {
            try served {
                try transfer.archive(
                    scratch.path + "/f", as: Array("f".utf8), to: full.rawValue,
                    byteLimit: 1 << 20, keepsSetID: false)
            }
        }
        #expect(error?.message == "cannot write the archive: No space left on device")
    }

    static let broken: [(script: String, message: String)] = [
        ("true", "standard input ended before an archive began"),
        ("echo hello", "standard input is no tar archive"),
        (
            "echo hello | gzip",
            "standard input is compressed; put 'gzip -dc |' in front of swiftlet"
        ),
        (
            "mkdir -p t; echo x > t/f; tar c t | head -c 1500",
            "the archive is cut: standard input"
                + " ended before it"
        ),
    ]

    @Test(arguments: broken)
    func `What is no archive is told`(_ script: String, _ message: String) throws {
        let error = #expect(throws: ClientError.self) { try served { try unpack(script) } }
        #expect(error?.message == message)
    }

    @Test func `A fault in the guest is told by the archive's own path`() throws {
        try scratch.shell("mkdir -p t/a in/a/f; echo x > t/a/f")
        let error = #expect(throws: ClientError.self) { try served { try unpack("tar c -C t .") } }
        #expect(
            error?.message == "the guest's copy of \"a/f\" is a directory, and something else is"
                + " to take its place")
    }

    @Test func `A place that cannot be is told by its path in the guest`() throws {
        try scratch.shell("mkdir t; touch in")
        let error = #expect(throws: ClientError.self) { try served { try unpack("tar c -C t .") } }
        #expect(
            error?.message == "\"web:\(scratch.path)/in\" is no directory, and a directory is to"
                + " take its place")
    }

    @Test func `An agent of before says so`() throws {
        try say([.refused(Refusal(.unknownKind, detail: 54))])
        let error = #expect(throws: ClientError.self) { try archive("/x", to: "cat > /dev/null") }
        #expect(
            error?.message
                == "the guest's agent is too old for archives; start the machine anew")
    }

    @Test func `An agent that goes away leaves no whole archive`() throws {
        try say([.entry(TreeEntry(.directory, name: [])), .entry(TreeEntry(.file, name: [0x61]))])
        let error = #expect(throws: ClientError.self) { try archive("/x", to: "cat > out") }
        #expect(error?.message == "the guest went away before all was copied")
        let rest = try HostFacts.read(scratch.path + "/out", at: 0, count: 4096)
        #expect(throws: TarFault.cut) { try TarBlocks.members(rest) }
    }

    @Test(arguments: [false, true])
    func `An archive is whole though more than fits into a turn is made at its end`(
        _ isInDirectory: Bool
    ) throws {
        // What a file has lost while it was read is zeros, all of which are made at once.
        let size: UInt64 = 3 << 20
        let file: [Frame] = [
            .entry(TreeEntry(.file, name: isInDirectory ? [0x61] : [])), .size(size), .endOfEntry,
        ]
        try say(
            isInDirectory
                ? [.entry(TreeEntry(.directory, name: []))] + file + [.endOfEntry] : file)
        let path = scratch.path + "/out"
        let output = try FileDescriptor.open(path, flags: 0o101)
        let summary = try transfer.archive(
            "/x", as: Array("t".utf8), to: output.rawValue, byteLimit: 1 << 30, keepsSetID: false)
        #expect(summary?.shortened == 1)
        let headers = isInDirectory ? 1024 : 512
        let archive = try HostFacts.read(path, at: 0, count: 4 << 20)
        #expect(archive.count == headers + Int(size) + 1024)
        #expect(try TarBlocks.members(archive).last?.kind == .file)
    }

    @Test func `A guest's endless file ends at the limit`() throws {
        try say([.entry(TreeEntry(.file, name: [])), .size(1 << 40)])
        let error = #expect(throws: ClientError.self) {
            try archive("/x", limit: 1 << 20, to: "cat > /dev/null")
        }
        #expect(error?.message == "there is more data than the limit allows; raise it with --limit")
    }
}
