// SPDX-License-Identifier: Apache-2.0
import Bus
import Synchronization
import Virtio

/// A keyboard controller as far as a server needs one: the reset line, and a keyboard that can
/// press Ctrl-Alt-Del. Every command has its answer, so that a kernel's probe never waits.
///
/// It is two devices on the bus, ``data`` at port 0x60 and ``command`` at port 0x64: the port
/// between them belongs to the timer.
package final class I8042: Sendable {
    package static let dataPort: UInt64 = 0x60
    package static let commandPort: UInt64 = 0x64
    /// The keyboard's interrupt.
    package static let irq: UInt32 = 1

    /// Bytes that wait for the guest at most.
    private static let outputLimit = 16

    package struct State: Hashable, Sendable {
        package static let version: UInt32 = 1
        package var version = Self.version
        /// Bit 0: keyboard interrupt; 2: system flag; 4: keyboard off; 6: translate to set 1.
        package var configuration: UInt8 = 0x45
        /// The output port: bit 0 is the inverted reset line.
        package var outputPort: UInt8 = 0x03
        /// The controller command whose parameter comes next.
        package var command: UInt8?
        /// The keyboard command whose parameter comes next.
        package var keyboardCommand: UInt8?
        /// Bytes for the guest, the next one first.
        package var output: [UInt8] = []
        package init() {}
    }

    /// Accesses of the guest since it was made.
    package struct Counts: Hashable, Sendable {
        package var reads: UInt64 = 0
        package var writes: UInt64 = 0
        package var resets: UInt64 = 0
        /// Key presses that the guest left no room for.
        package var lost: UInt64 = 0
        /// Reads of the data port with nothing there.
        package var emptyReads: UInt64 = 0
        /// Commands that mean nothing.
        package var unknownCommands: UInt64 = 0
    }

    private let tally = Mutex(Counts())
    package var counts: Counts { tally.withLock { $0 } }
    private let state = Mutex(State())
    private let interrupt: @Sendable () -> Void
    private let reset: @Sendable () -> Void

    /// - Parameters:
    ///   - interrupt: Pulses IRQ 1.
    ///   - reset: The guest pulled the reset line; called on the vCPU's thread.
    package init(
        interrupt: @escaping @Sendable () -> Void, reset: @escaping @Sendable () -> Void
    ) {
        self.interrupt = interrupt
        self.reset = reset
    }

    // MARK: Ports

    /// One of its two ports.
    package final class Port: BusDevice {
        private let controller: I8042
        private let isCommand: Bool

        fileprivate init(_ controller: I8042, isCommand: Bool) {
            self.controller = controller
            self.isCommand = isCommand
        }

        package func read(offset: UInt64, size: Int) -> UInt64 {
            controller.tally.withLock { $0.reads &+= 1 }
            return UInt64(isCommand ? controller.status : controller.readData())
        }

        package func write(offset: UInt64, size: Int, value: UInt64) {
            let byte = UInt8(truncatingIfNeeded: value)
            controller.tally.withLock { $0.writes &+= 1 }
            if isCommand { controller.writeCommand(byte) } else { controller.writeData(byte) }
        }
    }

    /// For port 0x60, one byte wide.
    package var data: Port { Port(self, isCommand: false) }
    /// For port 0x64, one byte wide.
    package var command: Port { Port(self, isCommand: true) }

    /// Output full 0, system flag 2, last write was a command 3, not locked 4.
    private var status: UInt8 {
        state.withLock { state in
            (state.output.isEmpty ? 0 : 1) | state.configuration & 4
                | (state.command == nil ? 0 : 8) | 0x10
        }
    }

    private func readData() -> UInt8 {
        let (byte, more) = state.withLock { state -> (UInt8, Bool) in
            guard !state.output.isEmpty else {
                tally.withLock { $0.emptyReads &+= 1 }
                return (0, false)
            }
            return (state.output.removeFirst(), !state.output.isEmpty && state.interrupts)
        }
        if more { interrupt() }
        return byte
    }

    private func writeCommand(_ byte: UInt8) {
        enum Effect { case none, interrupt, reset }
        let effect = state.withLock { state -> Effect in
            state.command = nil
            switch byte {
            case 0xfe: return .reset
            // An even pulse of any other line does nothing.
            case 0xf0...0xff: return byte & 1 == 0 ? .reset : .none
            case 0x20...0x3f: state.answer(byte == 0x20 ? state.configuration : 0)
            case 0x60...0x7f, 0xd1...0xd4: state.command = byte
            case 0xaa: state.answer(0x55)
            case 0xab: state.answer(0x00)
            // There is no mouse: its test fails, which ends the probe for it.
            case 0xa9: state.answer(0x01)
            case 0xad: state.configuration |= 0x10
            case 0xae: state.configuration &= ~0x10
            case 0xa7: state.configuration |= 0x20
            case 0xa8: state.configuration &= ~0x20
            case 0xc0: state.answer(0x80)
            case 0xd0: state.answer(state.outputPort)
            default: tally.withLock { $0.unknownCommands &+= 1 }
            }
            return .none
        }
        if effect == .reset { pullReset() }
    }

    private func writeData(_ byte: UInt8) {
        enum Effect { case none, interrupt, reset }
        let effect = state.withLock { state -> Effect in
            guard let command = state.command.take() else {
                state.answerKeyboard(byte)
                return state.interrupts ? .interrupt : .none
            }
            switch command {
            case 0x60: state.configuration = byte
            case 0xd1:
                state.outputPort = byte
                if byte & 1 == 0 { return .reset }
            // Loops through the keyboard's or, without the mouse's mark, the mouse's side.
            case 0xd2, 0xd3: state.answer(byte)
            default: break
            }
            return .none
        }
        switch effect {
        case .none: break
        case .interrupt: interrupt()
        case .reset: pullReset()
        }
    }

    private func pullReset() {
        tally.withLock { $0.resets &+= 1 }
        reset()
    }

    // MARK: Keyboard

    /// Presses and releases Ctrl-Alt-Del; false if the guest has left too much unread.
    @discardableResult
    package func pressControlAltDelete() -> Bool {
        // Scan codes of set 1, as the controller translates them, and of set 2.
        let set1: [UInt8] = [0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d]
        let set2: [UInt8] = [0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0, 0x71, 0xf0, 0x11, 0xf0, 0x14]
        let (sent, interrupts) = state.withLock { state -> (Bool, Bool) in
            let codes = state.configuration & 0x40 != 0 ? set1 : set2
            guard state.output.count + codes.count <= Self.outputLimit else {
                tally.withLock { $0.lost &+= 1 }
                return (false, false)
            }
            state.output += codes
            return (true, state.interrupts)
        }
        if interrupts { interrupt() }
        return sent
    }

    // MARK: Save and restore

    package func save() -> State { state.withLock { $0 } }

    package func restore(_ saved: State) throws(RestoreError) {
        guard saved.version == State.version else { throw .version(saved.version) }
        guard saved.output.count <= Self.outputLimit else { throw .value("output") }
        state.withLock { $0 = saved }
    }
}

extension I8042.State {
    /// A byte for the guest raises the keyboard's interrupt.
    fileprivate var interrupts: Bool {
        configuration & 0x11 == 0x01 && !output.isEmpty
    }

    /// Queues a byte; lost if the guest reads nothing.
    fileprivate mutating func answer(_ byte: UInt8) {
        if output.count < 16 { output.append(byte) }
    }

    /// What a keyboard says to `byte`.
    fileprivate mutating func answerKeyboard(_ byte: UInt8) {
        if let command = keyboardCommand.take() {
            answer(0xfa)
            // Asked for the scan code set, it names set 2.
            if command == 0xf0, byte == 0 { answer(0x02) }
            return
        }
        switch byte {
        case 0xee: answer(0xee)
        case 0xf2:
            answer(0xfa)
            answer(0xab)
            answer(0x83)
        case 0xff:
            answer(0xfa)
            answer(0xaa)
        default:
            answer(0xfa)
            if byte == 0xed || byte == 0xf0 || byte == 0xf3 { keyboardCommand = byte }
        }
    }
}
