// SPDX-License-Identifier: Apache-2.0
import Agent

/// A command to be run in a machine.
public struct Command: Hashable, Sendable {
    /// The program and its arguments; a program without a slash is looked up in the guest's `PATH`.
    public var arguments: [String]
    /// `NAME=value` each, on top of the guest's own.
    public var environment: [String] = []
    /// Where the command starts in the guest; nil: `/`.
    public var workingDirectory: String?

    public init(_ arguments: [String]) { self.arguments = arguments }
}

/// How a command ended.
public enum CommandEnding: Hashable, Sendable {
    /// By itself, with this status.
    case exited(UInt8)
    /// By this signal.
    case signalled(UInt8)
    /// It never ran; the sentence says why. The status is 127 if there is no such program, else 126.
    case notStarted(message: String, status: UInt8)

    /// What a shell would show: the status, or 128 and the signal, or 126 or 127.
    public var status: Int32 {
        switch self {
        case .exited(let status): Int32(status)
        case .signalled(let signal): 128 + Int32(signal)
        case .notStarted(_, let status): Int32(status)
        }
    }

    init(_ end: CommandEnd, of request: ExecRequest) {
        switch end {
        case .exited(let status): self = .exited(status)
        case .killed(let signal): self = .signalled(signal)
        case .notStarted(let failure):
            self = .notStarted(
                message: failure.message(for: request), status: UInt8(failure.exitStatus))
        }
    }
}

/// A piece of what a command writes.
public enum CommandOutput: Hashable, Sendable {
    case output([UInt8])
    case errorOutput([UInt8])
}

/// All that a command wrote, and how it ended.
public struct CommandResult: Hashable, Sendable {
    public var ending: CommandEnding
    public var output: [UInt8]
    public var errorOutput: [UInt8]

    /// Adds `piece`; false, and nothing added, if that were more than `limit` bytes together.
    mutating func keep(_ piece: CommandOutput, limit: Int) -> Bool {
        let room = limit - output.count - errorOutput.count
        switch piece {
        case .output(let bytes):
            guard bytes.count <= room else { return false }
            output += bytes
        case .errorOutput(let bytes):
            guard bytes.count <= room else { return false }
            errorOutput += bytes
        }
        return true
    }
}

extension Command {
    /// The agent's form of it; throws if the guest could not take it.
    package func request(
        terminal: TerminalSize? = nil, wantsInput: Bool
    ) throws(ClientError) -> ExecRequest {
        var request = ExecRequest(
            arguments, environment: environment, workingDirectory: workingDirectory ?? "")
        request.terminal = terminal
        request.wantsInput = wantsInput
        do throws(FrameError) {
            _ = try Frame.execute(request).encoded()
        } catch {
            throw ClientError(.badConfiguration, Self.sentence(for: error))
        }
        return request
    }

    private static func sentence(for error: FrameError) -> String {
        switch error {
        case .tooLong:
            "the command, its environment and directory are longer than"
                + " \(AgentProtocol.requestLimit) bytes"
        case .tooMany(let count):
            "a command has at most \(ExecRequest.stringLimit) arguments and as many environment"
                + " variables, not \(count)"
        default: "the command's name is empty, or one of its words has a zero byte"
        }
    }
}
