// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

extension Command {
    /// What ends a terminal's input: Ctrl-D.
    private static var endOfTransmission: UInt8 { 4 }

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

    /// A pipe is closed; a terminal reads Ctrl-D once and stays.
    private func finishInput() {
        inputEnds = false
        if hasTerminal {
            _ = input?.descriptor.write([Self.endOfTransmission], 0..<1)
        } else {
            input = nil
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
