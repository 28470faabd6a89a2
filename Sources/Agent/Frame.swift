// SPDX-License-Identifier: Apache-2.0

/// One message of the agent protocol (`docs/agent.md`).
package enum Frame: Equatable, Sendable {
    /// The first frame of each side: the highest version it speaks.
    case hello(version: UInt16)

    /// Either side: the last request or frame was refused.
    case refused(Refusal)

    /// Host: answer with `pong` and the same token.
    case ping(UInt64)

    /// Agent: the answer to `ping`.
    case pong(UInt64)

    /// Agent: `setClock` or `shutDown` has been accepted.
    case done

    /// Host: the time, in nanoseconds since 1970-01-01 00:00 UTC.
    case setClock(nanoseconds: UInt64)

    /// Host: end the machine.
    case shutDown(Shutdown)

    /// Host: run a command on this channel. One at a time; a further one may follow its `ended`.
    case execute(ExecRequest)

    /// Host: bytes for the command's input, at most `AgentProtocol.payloadLimit`, and within what
    /// `AgentProtocol.inputWindow` and `inputCredit` allow.
    case input([UInt8])

    /// Host: the command's input ends here.
    case endOfInput

    /// Agent: the host may send so many bytes of input more.
    case inputCredit(UInt32)

    /// Agent: bytes from the command's standard output, or its terminal.
    case output([UInt8])

    /// Agent: bytes from the command's standard error.
    case errorOutput([UInt8])

    /// Host: the terminal has a new size.
    case resize(TerminalSize)

    /// Host: a signal, 1 to 64, for the command's process group.
    case signal(UInt8)

    /// Agent: the command has ended and all its output has been sent.
    case ended(CommandEnd)

    /// Host: connect this channel with a TCP port of the guest's own address.
    case connect(port: UInt16)

    /// Agent: from here on, the channel carries the bytes of that connection and nothing else.
    case connected

    /// Host: send the tree at this path. Its entries come, or `treeFault`, and the channel ends.
    case sendTree(path: [UInt8])

    /// Host: make the tree whose entries follow. The answer is `done` or `treeFault`, and the
    /// channel ends.
    case takeTree(TreeDestination)

    /// Either side: the next entry of a tree.
    case entry(TreeEntry)

    /// Either side: data of the file that came last, at most `AgentProtocol.payloadLimit` bytes.
    case data([UInt8])

    /// Either side: the file or directory that is open has come to its end.
    case endOfEntry

    /// Agent: the tree cannot be sent or made to its end.
    case treeFault(TreeFault)

    /// Host: as `sendTree`, with a `size` behind each file's entry: an archive has that in front.
    case sendArchive(path: [UInt8])

    /// Host: as `takeTree`, for the members of an archive, among which are hard links.
    case takeArchive(TreeDestination)

    /// Agent: so many bytes of data follow, or fewer if the file shrinks meanwhile.
    case size(UInt64)

    /// A kind that this version does not know. Answer `refused` and go on.
    case unknown(kind: UInt16)
}

/// What ends a machine.
package enum Shutdown: UInt8, Sendable {
    case powerOff = 0
    case restart = 1
}

/// Why a frame was refused, as numbers.
package struct Refusal: Equatable, Sendable {
    package enum Reason: UInt16, Sendable {
        /// `detail` is the kind that is not known.
        case unknownKind = 1
        /// `detail` is the kind whose bytes are wrong. The channel ends.
        case malformed = 2
        /// `detail` is the kind that may not come now.
        case outOfTurn = 3
        /// `detail` is the version offered. The channel ends.
        case version = 4
        /// `detail` is Linux's error number.
        case system = 5
        /// The guest has as many channels as it can hold. The channel ends.
        case busy = 6
    }

    package var reason: Reason
    package var detail: UInt32

    package init(_ reason: Reason, detail: UInt32 = 0) {
        self.reason = reason
        self.detail = detail
    }
}

/// A frame's kind as it stands in the header.
package enum FrameKind: UInt16, CaseIterable, Sendable {
    case hello = 1
    case refused = 2
    case ping = 3
    case pong = 4
    case done = 5
    case setClock = 6
    case shutDown = 7
    case execute = 16
    case input = 17
    case endOfInput = 18
    case inputCredit = 19
    case output = 20
    case errorOutput = 21
    case resize = 22
    case signal = 23
    case ended = 24
    case connect = 32
    case connected = 33
    case sendTree = 48
    case takeTree = 49
    case entry = 50
    case data = 51
    case endOfEntry = 52
    case treeFault = 53
    case sendArchive = 54
    case takeArchive = 55
    case size = 56

    /// Longest payload of this kind in bytes.
    package var limit: Int {
        self == .execute ? AgentProtocol.requestLimit : AgentProtocol.payloadLimit
    }
}

extension Frame {
    /// The number in the header.
    package var kind: UInt16 {
        let kind: FrameKind
        switch self {
        case .hello: kind = .hello
        case .refused: kind = .refused
        case .ping: kind = .ping
        case .pong: kind = .pong
        case .done: kind = .done
        case .setClock: kind = .setClock
        case .shutDown: kind = .shutDown
        case .execute: kind = .execute
        case .input: kind = .input
        case .endOfInput: kind = .endOfInput
        case .inputCredit: kind = .inputCredit
        case .output: kind = .output
        case .errorOutput: kind = .errorOutput
        case .resize: kind = .resize
        case .signal: kind = .signal
        case .ended: kind = .ended
        case .connect: kind = .connect
        case .connected: kind = .connected
        case .sendTree: kind = .sendTree
        case .takeTree: kind = .takeTree
        case .entry: kind = .entry
        case .data: kind = .data
        case .endOfEntry: kind = .endOfEntry
        case .treeFault: kind = .treeFault
        case .sendArchive: kind = .sendArchive
        case .takeArchive: kind = .takeArchive
        case .size: kind = .size
        case .unknown(let number): return number
        }
        return kind.rawValue
    }
}
