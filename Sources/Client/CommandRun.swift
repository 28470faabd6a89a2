// SPDX-License-Identifier: Apache-2.0
import Linux

/// A command from its request to its end; never waits. It gets its input as fast as it takes it,
/// and nothing of what it writes is kept.
struct CommandRun {
    /// How long a command that was killed may take to end, in seconds.
    private static var grace: Double { 10 }

    private let execution: Execution
    private var input: ArraySlice<UInt8>
    /// When the command must have ended; nil: it was not killed.
    private(set) var deadline: UInt64?

    init(_ execution: Execution, input: [UInt8]) {
        self.execution = execution
        self.input = input[...]
    }

    /// Hands on what has come, and sends what there is room for. How the command ended, if it has.
    ///
    /// Once `take` answers false it is not called any more, and the command is killed.
    mutating func advance(
        _ take: (CommandOutput) -> Bool
    ) throws(ClientError) -> CommandEnding? {
        while let event = try execution.next() {
            switch event {
            case .output(let bytes): try pass(.output(bytes), to: take)
            case .errorOutput(let bytes): try pass(.errorOutput(bytes), to: take)
            case .started: continue
            case .ended(let ending): return ending
            }
        }
        guard let deadline else {
            try sendInput()
            return nil
        }
        guard Clock.monotonic < deadline else {
            throw ClientError(.timedOut, "the command did not end after it was killed")
        }
        return nil
    }

    private mutating func pass(
        _ output: CommandOutput, to take: (CommandOutput) -> Bool
    ) throws(ClientError) {
        guard deadline == nil, !take(output) else { return }
        deadline = Clock.deadline(in: Self.grace)
        try execution.send(signal: UInt8(Signal.kill.rawValue))
    }

    private mutating func sendInput() throws(ClientError) {
        while !input.isEmpty, execution.inputRoom > 0 {
            let part = input.prefix(execution.inputRoom)
            try execution.send(input: part)
            input = input.dropFirst(part.count)
            if input.isEmpty { try execution.endInput() }
        }
    }

    func register(in set: inout PollSet) { execution.register(in: &set, wantsOutput: true) }

    func serve(_ set: PollSet) { execution.serve(set) }
}
