// SPDX-License-Identifier: Apache-2.0

/// How a command came to its end.
package enum CommandEnd: Equatable, Sendable {
    /// It ended by itself, with this status.
    case exited(UInt8)

    /// A signal ended it.
    case killed(signal: UInt8)

    /// It never ran.
    case notStarted(StartFailure)

    /// What a shell would show: the status, or 128 and the signal, or 126 or 127.
    package var exitStatus: Int32 {
        switch self {
        case .exited(let status): Int32(status)
        case .killed(let signal): 128 &+ Int32(signal)
        case .notStarted(let failure): failure.exitStatus
        }
    }
}

/// Why the agent could not start a command.
///
/// The host makes the text: what a guest says never reaches a terminal in a message of ours.
package struct StartFailure: Equatable, Sendable {
    /// What the agent was doing.
    package enum Step: UInt8, Sendable {
        /// Looking for the program and executing it.
        case execute = 1
        /// Entering the working directory.
        case directory = 2
        /// Making pipes, a terminal or a process.
        case process = 3
    }

    package var step: Step

    /// Linux's error number.
    package var errno: UInt32

    package init(step: Step, errno: UInt32) {
        self.step = step
        self.errno = errno
    }

    /// 127 for a program that is not there, else 126, as shells have it.
    package var exitStatus: Int32 {
        step == .execute && errno == 2 ? 127 : 126
    }

    /// One sentence for the person who asked for `request`.
    package func message(for request: ExecRequest) -> String {
        let command = String(decoding: request.arguments.first ?? [], as: UTF8.self)
        let directory = String(decoding: request.workingDirectory, as: UTF8.self)
        return switch step {
        case .execute:
            "exec: \"\(command)\": \(errno == 2 ? "not found" : ErrorText.text(errno))"
        case .directory:
            "exec: \"\(command)\": cannot enter directory \"\(directory)\": \(ErrorText.text(errno))"
        case .process:
            "exec: \"\(command)\": cannot start a process in the guest: \(ErrorText.text(errno))"
        }
    }
}
