// SPDX-License-Identifier: Apache-2.0
import Agent
import Linux
import Testing

@testable import Client

/// The guest's side of a channel, played by the test.
private final class FakeAgent {
    let socket: FileDescriptor
    private var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)

    init(_ socket: consuming FileDescriptor) { self.socket = socket }

    func send(_ frames: Frame...) throws {
        for frame in frames {
            var rest = try frame.encoded()[...]
            while !rest.isEmpty {
                rest = rest.dropFirst(try UnixSocket.send(rest, to: socket.rawValue))
            }
        }
    }

    /// All frames that have come.
    func received() throws -> [Frame] {
        var frames: [Frame] = []
        while decoder.fill({ bytes, start in socket.read(into: &bytes, from: start) }) > 0 {
            while let frame = try decoder.next() { frames.append(frame) }
        }
        return frames
    }
}

@Suite struct ExecutionTests {
    private let agent: FakeAgent
    private let channel: AgentChannel
    private let request: ExecRequest

    init() throws {
        let pair = try UnixSocket.Pair()
        agent = FakeAgent(try pair.far.duplicate())
        channel = AgentChannel(try pair.near.duplicate())
        request = try Command(["cat"]).request(wantsInput: true)
    }

    /// Serves the channel until `execution` has something to tell.
    private func next(_ execution: Execution) throws -> Execution.Event? {
        for _ in 0..<100 {
            if let event = try execution.next() { return event }
            var set = PollSet()
            execution.register(in: &set, wantsOutput: true)
            set.wait(milliseconds: 10)
            execution.serve(set)
        }
        return nil
    }

    @Test func `A command is asked for after greeting and clock`() throws {
        _ = try Execution(request, on: channel, clock: 5)
        #expect(
            try agent.received() == [
                .hello(version: AgentProtocol.version), .setClock(nanoseconds: 5),
                .execute(request),
            ])
    }

    @Test func `What the agent says comes in its order`() throws {
        let execution = try Execution(request, on: channel)
        try agent.send(
            .hello(version: 1), .output([1, 2]), .errorOutput([3]), .output([4]),
            .ended(.exited(7)))

        var told: [String] = []
        while told.count < 4, let event = try next(execution) { told.append("\(event)") }
        #expect(
            told == [
                "output([1, 2])", "errorOutput([3])", "output([4])",
                "ended(\(String(reflecting: CommandEnding.exited(7))))",
            ])
        #expect(execution.inputRoom == 0)
    }

    struct Ending: CustomTestStringConvertible, Sendable {
        let end: CommandEnd
        let status: Int32
        var testDescription: String { "\(end)" }
    }

    static let endings = [
        Ending(end: .exited(0), status: 0),
        Ending(end: .exited(255), status: 255),
        Ending(end: .killed(signal: 9), status: 137),
        Ending(end: .notStarted(StartFailure(step: .execute, errno: 2)), status: 127),
        Ending(end: .notStarted(StartFailure(step: .execute, errno: 13)), status: 126),
        Ending(end: .notStarted(StartFailure(step: .directory, errno: 2)), status: 126),
    ]

    @Test(arguments: endings)
    func `An end has the status that a shell would show`(_ ending: Ending) {
        #expect(CommandEnding(ending.end, of: request).status == ending.status)
    }

    @Test func `Input stays within the window and what the agent gives back`() throws {
        let execution = try Execution(request, on: channel)
        _ = try agent.received()
        var sent = 0
        while execution.inputRoom > 0 {
            let part = [UInt8](repeating: 7, count: execution.inputRoom)
            try execution.send(input: part[...])
            sent += part.count
            _ = try agent.received()
        }
        #expect(sent == AgentProtocol.inputWindow)

        try agent.send(.hello(version: 1), .inputCredit(1000))
        #expect(try next(execution) == nil)
        #expect(execution.inputRoom == 1000)
    }

    static let violations: [[Frame]] = [
        [.output([1])],
        [.hello(version: 0)],
        [.hello(version: 1), .execute(ExecRequest(["x"]))],
        [.hello(version: 1), .inputCredit(1)],
        [.hello(version: 1), .hello(version: 1)],
        [.hello(version: 1), .refused(Refusal(.busy))],
        [.hello(version: 1), .refused(Refusal(.malformed, detail: 16))],
        [.hello(version: 1), .refused(Refusal(.outOfTurn, detail: 16))],
    ]

    @Test(arguments: violations)
    func `An agent that breaks the protocol is given up`(_ frames: [Frame]) throws {
        let execution = try Execution(request, on: channel)
        for frame in frames { try agent.send(frame) }
        let error = #expect(throws: ClientError.self) { try next(execution) }
        #expect(error?.kind == .agent)
    }

    /// Serves `run` to its end; nil: it does not end.
    private func advance(
        _ run: inout CommandRun, rounds: Int = 100, _ take: (CommandOutput) -> Bool
    ) throws -> CommandEnding? {
        for _ in 0..<rounds {
            if let ending = try run.advance(take) { return ending }
            var set = PollSet()
            run.register(in: &set)
            set.wait(milliseconds: 10)
            run.serve(set)
        }
        return nil
    }

    @Test func `A run hands on each piece and feeds the input`() throws {
        var run = CommandRun(try Execution(request, on: channel), input: [8, 9])
        try agent.send(
            .hello(version: 1), .output([1]), .errorOutput([2]), .output([3]), .ended(.exited(0)))
        var ending = try run.advance { _ in true }
        #expect(ending == nil)
        #expect(try agent.received().suffix(2) == [.input([8, 9]), .endOfInput])

        var pieces: [CommandOutput] = []
        ending = try advance(&run) { piece in
            pieces.append(piece)
            return true
        }
        #expect(ending == .exited(0))
        #expect(pieces == [.output([1]), .errorOutput([2]), .output([3])])
        #expect(run.deadline == nil)
    }

    @Test func `A command whose output nobody wants any more is killed and waited for`() throws {
        var run = CommandRun(try Execution(request, on: channel), input: [8])
        try agent.send(.hello(version: 1), .output([1]), .output([2]), .output([3]))
        var count = 0
        var ending = try advance(&run, rounds: 5) { _ in
            count += 1
            return count < 2
        }
        #expect(ending == nil)
        #expect(count == 2)
        #expect(run.deadline != nil)
        #expect(try agent.received().filter { $0 == .signal(9) }.count == 1)

        try agent.send(.output([4]), .ended(.killed(signal: 9)))
        ending = try advance(&run) { _ in true }
        #expect(ending == .signalled(9))
        #expect(try agent.received().isEmpty)
    }

    @Test func `What is kept of both outputs together has a limit`() {
        var result = CommandResult(ending: .exited(0), output: [], errorOutput: [])
        let pieces: [CommandOutput] = [
            .output([1, 2]), .errorOutput([3, 4]), .output([5, 6]), .errorOutput([5, 6]),
            .output([5]), .errorOutput([6]),
        ]
        let kept = pieces.map { result.keep($0, limit: 5) }
        #expect(kept == [true, true, false, false, true, false])
        #expect(result.output == [1, 2, 5])
        #expect(result.errorOutput == [3, 4])
    }

    @Test func `An agent that goes away before the end is an error`() throws {
        let pair = try UnixSocket.Pair()
        let execution: Execution
        do {
            let channel = AgentChannel(try pair.near.duplicate())
            execution = try Execution(request, on: channel)
        }
        UnixSocket.shutdown(pair.far.rawValue, .writing)
        let error = #expect(throws: ClientError.self) { try next(execution) }
        #expect(error?.kind == .machineEnded)
    }

    @Test func `What the agent has taken is not kept, though something always waits`() throws {
        let pair = try UnixSocket.Pair()
        let far = try pair.far.duplicate()
        let channel = AgentChannel(try pair.near.duplicate())
        let piece = [UInt8](repeating: 1, count: AgentProtocol.payloadLimit)
        for _ in 0..<256 {
            repeat {
                try channel.send(.data(piece))
                channel.flush()
            } while channel.waiting == 0
            _ = try Stream.read(far.rawValue, limit: 2 * piece.count)
        }
        #expect(channel.kept < 4 * AgentChannel.sendLimit)
    }

    @Test(arguments: [[""], ["a\0b"], []])
    func `A command that no guest could take is refused before it is sent`(_ words: [String]) {
        let error = #expect(throws: ClientError.self) {
            try Command(words).request(wantsInput: false)
        }
        #expect(error?.kind == .badConfiguration)
    }
}
