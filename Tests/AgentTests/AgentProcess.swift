// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Support
import Testing

/// The guest's agent as an ordinary process of the host, listening on a Unix socket.
final class AgentProcess {
    /// The agent could not be built or started.
    struct Unavailable: Error {}

    private let socketPath: String
    private let process: ChildProcess

    /// The agent, built once by the script that builds it for guests.
    private static let program: Result<String, Unavailable> = build()

    private static func build() -> Result<String, Unavailable> {
        let root = #filePath.split(separator: "/").dropLast(3).joined(separator: "/")
        let path = ScratchPath.unique("agent")
        let environment = ["PATH", "HOME", "XDG_CACHE_HOME", "SWIFTLET_CACHE"].compactMap { name in
            CurrentProcess.environment(name).map { "\(name)=\($0)" }
        }
        guard
            let null = try? FileDescriptor.open("/dev/null", flags: 2),
            let script = try? ChildProcess(
                path: "/bin/sh", arguments: ["/\(root)/Guest/initramfs/agent.sh", path],
                environment: environment, descriptors: [null.rawValue, null.rawValue, 2])
        else { return .failure(Unavailable()) }
        let end = try? TestProcess.end(of: script, "agent.sh", seconds: 600)
        return end == .exited(0) ? .success(path) : .failure(Unavailable())
    }

    init() throws {
        let program = try Self.program.get()
        socketPath = ScratchPath.unique("agent") + ".socket"
        let listener = try UnixSocket.listen(at: socketPath)
        let null = try FileDescriptor.open("/dev/null", flags: 2)
        process = try ChildProcess(
            path: program, arguments: [], environment: [],
            descriptors: [null.rawValue, null.rawValue, 2, listener.rawValue])
    }

    deinit {
        UnixSocket.remove(socketPath)
        process.send(.kill)
        // A child left unreaped would keep Swift Testing's own wait for exit tests busy for ever.
        process.forget()
    }

    /// Whether the agent's process ends within five seconds.
    func ends() -> Bool {
        var set = PollSet()
        set.add(process.descriptor.rawValue, .readable)
        set.wait(milliseconds: 5000)
        return set.isReadable(process.descriptor.rawValue)
    }

    /// Lets it stand still.
    func pause() { process.send(Signal(rawValue: 19)) }

    /// Lets it go on.
    func resume() { process.send(Signal(rawValue: 18)) }

    /// A connection on which nothing has been said.
    ///
    /// An agent that gets no processor time lets connections wait, and the kernel turns away those
    /// that are too many (`EAGAIN`), so that a busy host is asked again.
    func connect() throws -> TestChannel {
        let deadline = Clock.monotonic + 30_000_000_000
        while true {
            do throws(Errno) {
                return TestChannel(try UnixSocket.connect(to: socketPath), of: self)
            } catch {
                guard error == .again, Clock.monotonic < deadline else { throw error }
                Thread.yield()
            }
        }
    }

    /// A connection on which both sides have said hello.
    func channel() throws -> TestChannel {
        let channel = try connect()
        try channel.send(.hello(version: AgentProtocol.version))
        try #require(try channel.next() == .hello(version: AgentProtocol.version))
        return channel
    }
}

/// The host's side of one channel.
final class TestChannel {
    /// Nothing came in time, or the agent hung up.
    enum Failure: Error { case timeout, closed }

    private let socket: FileDescriptor
    private var decoder = FrameDecoder()
    private var block = [UInt8](repeating: 0, count: 1 << 16)
    private var unread: ArraySlice<UInt8> = []
    /// Lives as long as its channels.
    private let agent: AgentProcess

    init(_ socket: consuming FileDescriptor, of agent: AgentProcess) {
        self.socket = socket
        self.agent = agent
    }

    func send(_ frames: Frame...) throws {
        var bytes: [UInt8] = []
        for frame in frames { try frame.encode(into: &bytes) }
        try send(bytes)
    }

    func send(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            guard let count = try? UnixSocket.send(rest, to: socket.rawValue) else {
                try wait(.writable)
                continue
            }
            rest = rest.dropFirst(count)
        }
    }

    /// A second descriptor of its socket, once it carries something else than frames.
    func release() throws -> FileDescriptor {
        try #require(decoder.pendingCount == 0 && unread.isEmpty)
        return try socket.duplicate()
    }

    private func wait(_ readiness: PollSet.Readiness, _ milliseconds: Int32 = 10_000) throws {
        var set = PollSet()
        set.add(socket.rawValue, readiness)
        set.wait(milliseconds: milliseconds)
        if set.readiness(of: socket.rawValue).isEmpty { throw Failure.timeout }
    }

    func next(within milliseconds: Int32 = 10_000) throws -> Frame {
        while true {
            if let frame = try decoder.next() { return frame }
            if unread.isEmpty {
                try wait(.readable, milliseconds)
                let count = try socket.read(into: &block)
                if count == 0 { throw Failure.closed }
                unread = block[..<count]
            }
            unread = unread.dropFirst(decoder.append(unread))
        }
    }

    /// What a command gave back.
    struct Outcome: Equatable {
        var output: [UInt8] = []
        var errorOutput: [UInt8] = []
        var end = CommandEnd.exited(255)
        var credit = 0

        var text: String { String(decoding: output, as: UTF8.self) }
        var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
    }

    /// Collects a command's output up to its end.
    func outcome() throws -> Outcome {
        var outcome = Outcome()
        while true {
            switch try next() {
            case .output(let data): outcome.output += data
            case .errorOutput(let data): outcome.errorOutput += data
            case .inputCredit(let count): outcome.credit += Int(count)
            case .ended(let end):
                outcome.end = end
                return outcome
            case let frame:
                Issue.record("\(frame) while a command runs")
                return outcome
            }
        }
    }

    /// Runs a command without input.
    func run(_ request: ExecRequest) throws -> Outcome {
        try send(.execute(request))
        return try outcome()
    }

    func run(_ arguments: String...) throws -> Outcome { try run(ExecRequest(arguments)) }

    /// Runs a command in a shell.
    func shell(_ script: String) throws -> Outcome { try run("sh", "-c", script) }

    /// Waits until `text` is the end of what the command has put out.
    func awaitOutput(_ text: String) throws {
        var output: [UInt8] = []
        while !String(decoding: output, as: UTF8.self).hasSuffix(text) {
            guard case .output(let data) = try next() else { continue }
            output += data
        }
    }
}
