// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// The end of a terminal's input, which a pipe would say for ever and Ctrl-D says to one read.
///
/// It may say so to none: a line that has begun is read in its place, and a shell that makes its
/// terminal raw after it has come finds a zero byte. So it is said again for as long as the command
/// lives, and each time later, as a command may read for ever and not mind.
struct TerminalEnd {
    /// Milliseconds.
    private static var shortestPause: UInt64 { 20 }
    private static var longestPause: UInt64 { 1000 }

    /// When it is to be said again, as ``guest_now()`` counts.
    private(set) var due: UInt64
    private var pause = shortestPause

    init(now: UInt64) { due = now + pause }

    mutating func postpone(now: UInt64) {
        pause = min(pause * 2, Self.longestPause)
        due = now + pause
    }
}

extension Command {
    /// What ends a terminal's input: Ctrl-D.
    private static var endOfTransmission: UInt8 { 4 }
    /// What takes a line back: Ctrl-U.
    private static var kill: UInt8 { 21 }

    func take(_ data: [UInt8]) {
        if waitingInput == 0 {
            pendingInput = data
            inputStart = 0
        } else {
            pendingInput.append(contentsOf: data)
        }
    }

    /// Writes what the command takes; returns the credit that the host is to be told of.
    func writeInput(_ events: Int32) -> Int {
        while waitingInput > 0 {
            let range = inputStart..<pendingInput.count
            let count = input?.descriptor.write(pendingInput, range) ?? -Errno.inputOutput
            if Errno.isTransient(count) { break }
            if count < 0 { input = nil }
            let taken = count < 0 ? range.count : Int(count)
            inputStart += taken
            consumed += taken
        }
        compactInput()
        if waitingInput == 0 && inputEnds { finishInput() }
        input?.watch(waitingInput > 0 ? GUEST_WRITABLE : 0, on: events)
        guard consumed >= AgentProtocol.inputWindow / 4 else { return 0 }
        defer { consumed = 0 }
        return consumed
    }

    /// Forgets what has been written once it is most of what is held.
    private func compactInput() {
        if waitingInput == 0 {
            pendingInput = []
        } else if inputStart >= AgentProtocol.inputWindow {
            pendingInput.removeFirst(inputStart)
        } else {
            return
        }
        inputStart = 0
    }

    /// A pipe is closed; a terminal stays, and reads Ctrl-D.
    private func finishInput() {
        inputEnds = false
        if hasTerminal {
            _ = input?.descriptor.write([Self.endOfTransmission], 0..<1)
            terminalEnd = TerminalEnd(now: guest_now())
        } else {
            input = nil
        }
    }

    /// Says the end of a terminal's input again, if it is time and the last one has been read. A
    /// shell's own editor takes Ctrl-D for the end on an empty line only.
    func repeatEnd() {
        guard let due = terminalEnd?.due, due <= guest_now() else { return }
        terminalEnd?.postpone(now: guest_now())
        guard let number = input?.descriptor.number else { return }
        switch guest_reader(number) {
        case GUEST_READS_LINES: _ = input?.descriptor.write([Self.endOfTransmission], 0..<1)
        case GUEST_READS_KEYS:
            _ = input?.descriptor.write([Self.kill, Self.endOfTransmission], 0..<2)
        default: break
        }
    }
}

extension Optional where Wrapped == OutputStream {
    /// Reads once, or until nothing is left if the process has ended (`isLast`); becomes nil at
    /// the end.
    mutating func pump(into outgoing: inout Outgoing, isLast: Bool, _ events: Int32) {
        guard var stream = take() else { return }
        while outgoing.hasRoom {
            guard stream.remaining > 0 else { return }
            let count = outgoing.read(
                stream.kind, from: stream.source.descriptor, limit: stream.remaining)
            if count > 0 {
                if !isLast { break }
                stream.remaining -= Int(count)
                continue
            }
            guard Errno.isTransient(count), !isLast else { return }
            break
        }
        guard !isLast || stream.remaining > 0 else { return }
        stream.source.watch(outgoing.hasRoom ? GUEST_READABLE : 0, on: events)
        self = consume stream
    }
}
