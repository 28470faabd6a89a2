// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// One end of a command's that the agent reads: standard output, standard error or its terminal.
struct OutputStream: ~Copyable {
    var source: Watched
    let kind: FrameKind
    /// Bytes still to be sent once the command has ended; what others write later is not its own.
    var remaining = Int.max

    /// A pseudo-terminal holds less than this many bytes that its reader has not seen.
    private static var terminalBacklog: Int { 256 * 1024 }

    /// Sends what is there now and no more.
    mutating func limitToBacklog(_ isTerminal: Bool) {
        remaining =
            isTerminal
            ? Self.terminalBacklog : Int(max(guest_pending(source.descriptor.number), 0))
    }
}

/// A running process and the agent's ends of its files.
final class Command {
    let processID: Int32
    let hasTerminal: Bool
    var input: Watched?
    var output: OutputStream?
    var errorOutput: OutputStream?
    var end: CommandEnd?

    /// Input that the command has not taken; never longer than `AgentProtocol.inputWindow`.
    var pendingInput: [UInt8] = []
    /// Bytes of `pendingInput` that have been written.
    var inputStart = 0
    /// Bytes the command has taken and the host has not been told of.
    var consumed = 0
    var inputEnds = false
    /// A terminal's input has ended.
    var terminalEnd: TerminalEnd?

    init(processID: Int32, files: consuming CommandFiles, token: UInt64) {
        self.processID = processID
        hasTerminal = files.hasTerminal
        if let descriptor = files.input.take() {
            input = Watched(descriptor, token: token | Role.input.rawValue)
        }
        if let descriptor = files.output.take() {
            output = OutputStream(
                source: Watched(descriptor, token: token | Role.output.rawValue), kind: .output)
        }
        if let descriptor = files.errorOutput.take() {
            errorOutput = OutputStream(
                source: Watched(descriptor, token: token | Role.errorOutput.rawValue),
                kind: .errorOutput)
        }
    }

    /// Bytes that wait for the command to read.
    var waitingInput: Int { pendingInput.count - inputStart }

    /// Notes how the process ended, and how much of its output is still in its pipes.
    func processEnded(_ end: CommandEnd) {
        self.end = end
        terminalEnd = nil
        output?.limitToBacklog(hasTerminal)
        errorOutput?.limitToBacklog(hasTerminal)
    }
}

/// The agent's ends of a new command's files, and the command's own.
struct CommandFiles: ~Copyable {
    var hasTerminal = false
    var input: Descriptor?
    var output: Descriptor?
    var errorOutput: Descriptor?
    /// The command's ends, by number; -1 is none.
    private(set) var childInput: Int32 = -1
    private(set) var childOutput: Int32 = -1
    private(set) var childErrorOutput: Int32 = -1
    private var ownedInput: Descriptor?
    private var ownedOutput: Descriptor?
    private var ownedErrorOutput: Descriptor?

    /// Pipes or a terminal, as `request` wants them; a negated errno if there are none.
    static func open(for request: ExecRequest) -> OpenedFiles {
        var files = CommandFiles()
        let result =
            if let size = request.terminal {
                files.openTerminal(size)
            } else {
                files.openPipes(input: request.wantsInput)
            }
        return result < 0 ? .failed(result) : .opened(files)
    }

    private mutating func openTerminal(_ size: TerminalSize) -> Int32 {
        let pair = guest_terminal(size.rows, size.columns)
        guard pair.result >= 0 else { return pair.result }
        hasTerminal = true
        output = Descriptor(pair.first)
        childInput = pair.second
        childOutput = pair.second
        childErrorOutput = pair.second
        ownedOutput = Descriptor(pair.second)
        let copy = guest_duplicate(pair.first)
        input = Descriptor(copy)
        return min(copy, 0)
    }

    private mutating func openPipes(input wantsInput: Bool) -> Int32 {
        if wantsInput {
            let pair = guest_pipe()
            guard pair.result >= 0 else { return pair.result }
            childInput = pair.first
            ownedInput = Descriptor(pair.first)
            input = Descriptor(pair.second)
            _ = guest_set_nonblocking(pair.second)
        }
        let outputPair = guest_pipe()
        guard outputPair.result >= 0 else { return outputPair.result }
        output = Descriptor(outputPair.first)
        childOutput = outputPair.second
        ownedOutput = Descriptor(outputPair.second)
        _ = guest_set_nonblocking(outputPair.first)
        let errorPair = guest_pipe()
        guard errorPair.result >= 0 else { return errorPair.result }
        errorOutput = Descriptor(errorPair.first)
        childErrorOutput = errorPair.second
        ownedErrorOutput = Descriptor(errorPair.second)
        return guest_set_nonblocking(errorPair.first)
    }
}

enum OpenedFiles: ~Copyable {
    case opened(CommandFiles)
    case failed(Int32)
}
