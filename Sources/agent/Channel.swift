// SPDX-License-Identifier: Apache-2.0
import Agent
import CGuest

/// Which of a channel's files an event is about; the lowest bits of its token.
enum Role: UInt64 {
    case socket = 0
    case input = 1
    case output = 2
    case errorOutput = 3

    /// How many bits of a token hold the role.
    static var bits: UInt64 { 2 }
    static var mask: UInt64 { 3 }
}

/// One connection with the host: frames in, frames out, and at most one command at a time; or, in
/// the end, the bytes of one connection to a port of the guest.
final class Channel {
    enum Phase {
        /// The connection of the agent's own is on its way.
        case connecting
        /// The host has not said hello.
        case greeting
        case open
        /// What waits is sent, then the connection ends.
        case ending
        case closed
    }

    let token: UInt64
    let setup: Setup
    let events: Int32
    var socket: Watched
    private(set) var decoder = FrameDecoder(payloadLimit: AgentProtocol.requestLimit)
    private var isBlocked = false
    var outgoing = Outgoing()
    var phase: Phase
    var command: Command?
    /// The connection that this channel becomes.
    var relay: Relay?
    /// Set when the host has asked for the machine's end.
    private(set) var shutdown: Shutdown?

    init(
        _ socket: consuming Descriptor, token: UInt64, phase: Phase, events: Int32, setup: Setup
    ) {
        self.token = token
        self.setup = setup
        self.events = events
        self.phase = phase
        self.socket = Watched(socket, token: token | Role.socket.rawValue)
        isBlocked = phase == .connecting
        outgoing.append(.hello(version: AgentProtocol.version))
        updateWatch()
    }

    /// Whether frames wait that the socket might take.
    var wantsFlush: Bool { !outgoing.isEmpty && !isBlocked && phase != .closed }

    func handle(_ role: Role, _ flags: UInt32) {
        guard relay == nil else { return moveRelay(role) }
        switch role {
        case .socket: socketEvent(flags)
        case .input: writeInput()
        case .output: pump()
        case .errorOutput: pump()
        }
    }

    private func socketEvent(_ flags: UInt32) {
        if phase == .connecting {
            guard guest_connected(socket.descriptor.number) == 0 else {
                phase = .closed
                return
            }
            phase = .greeting
        }
        if flags & GUEST_WRITABLE != 0 { flush() }
        if flags & ~GUEST_WRITABLE != 0 { receive() }
        updateWatch()
    }

    /// Sends what waits, and lets the command's output flow again.
    func flush() {
        guard phase != .closed, phase != .connecting else { return }
        let result = outgoing.flush(to: socket.descriptor)
        isBlocked = Errno.isTransient(result)
        if result < 0 && !isBlocked || phase == .ending && outgoing.isEmpty { phase = .closed }
        if outgoing.isEmpty { pump() }
        updateWatch()
    }

    func updateWatch() {
        guard phase != .closed, relay == nil else { return }
        let isFull = outgoing.count > 2 * AgentProtocol.payloadLimit
        let reads = !isFull && phase != .ending && phase != .connecting
        socket.watch(
            (reads ? GUEST_READABLE : 0) | (isBlocked ? GUEST_WRITABLE : 0), on: events)
    }

    private func receive() {
        guard phase == .greeting || phase == .open else { return }
        let number = socket.descriptor.number
        let count = decoder.fill { span, start in
            Int(guest_read(number, &span, Int32(clamping: start), Int32.max))
        }
        guard count > 0 else {
            if !Errno.isTransient(Int32(clamping: count)) || count == 0 { phase = .closed }
            return
        }
        do throws(FrameError) {
            while phase == .greeting || phase == .open && relay == nil,
                let frame = try decoder.next()
            {
                serve(frame)
            }
        } catch {
            refuse(.malformed)
            phase = .ending
        }
    }

    func refuse(_ reason: Refusal.Reason, _ detail: UInt32 = 0) {
        outgoing.append(.refused(Refusal(reason, detail: detail)))
    }

    private func serve(_ frame: Frame) {
        if phase == .greeting { return greet(frame) }
        switch frame {
        case .ping(let number): outgoing.append(.pong(number))
        case .setClock(let nanoseconds): answer(guest_set_clock(nanoseconds))
        case .shutDown(let kind):
            outgoing.append(.done)
            shutdown = kind
        case .execute(let request): execute(request)
        case .input(let data): take(data)
        case .endOfInput: endInput()
        case .resize(let size):
            if let command, command.hasTerminal, let number = command.input?.descriptor.number {
                _ = guest_resize(number, size.rows, size.columns)
            }
        case .signal(let number):
            if let command, command.end == nil {
                _ = guest_signal_group(command.processID, Int32(number))
            }
        case .connect(let port): connect(to: port)
        case .sendTree, .takeTree, .sendArchive, .takeArchive: serveTree(frame)
        case .unknown(let kind): refuse(.unknownKind, UInt32(kind))
        case .refused: break
        case .hello, .pong, .done, .inputCredit, .output, .errorOutput, .ended, .connected,
            .entry, .data, .endOfEntry, .treeFault, .size:
            refuse(.outOfTurn, UInt32(frame.kind))
        }
    }

    private func greet(_ frame: Frame) {
        switch frame {
        case .hello(let version) where version >= AgentProtocol.oldestVersion: phase = .open
        case .hello(let version):
            refuse(.version, UInt32(version))
            phase = .ending
        default:
            refuse(.outOfTurn, UInt32(frame.kind))
            phase = .ending
        }
    }

    private func answer(_ result: Int32) {
        if result < 0 { refuse(.system, result.magnitude) } else { outgoing.append(.done) }
    }

    private func execute(_ request: ExecRequest) {
        guard command == nil else {
            return refuse(.outOfTurn, UInt32(FrameKind.execute.rawValue))
        }
        setup.finish()
        switch Launch.start(request, token: token) {
        case .started(let command):
            self.command = command
            pump()
        case .failed(let failure): outgoing.append(.ended(.notStarted(failure)))
        }
    }

    private func take(_ data: [UInt8]) {
        guard let command, !command.inputEnds else { return }
        guard command.waitingInput + data.count <= AgentProtocol.inputWindow else {
            refuse(.outOfTurn, UInt32(FrameKind.input.rawValue))
            phase = .ending
            return
        }
        command.take(data)
        writeInput()
    }

    private func endInput() {
        guard let command else { return }
        command.inputEnds = true
        writeInput()
    }

    private func writeInput() {
        guard let command else { return }
        let credit = command.writeInput(events)
        if credit > 0 { outgoing.append(.inputCredit(UInt32(clamping: credit))) }
    }

    /// Moves output from the command to the host, as far as there is room; ends the command when
    /// all of it has been moved.
    private func pump() {
        guard let command else { return }
        command.output.pump(into: &outgoing, isLast: command.end != nil, events)
        command.errorOutput.pump(into: &outgoing, isLast: command.end != nil, events)
        guard let end = command.end, command.output == nil, command.errorOutput == nil else {
            return
        }
        outgoing.append(.ended(end))
        self.command = nil
    }

    /// The command's process is gone.
    func processEnded(_ end: CommandEnd) {
        command?.processEnded(end)
        pump()
    }
}
