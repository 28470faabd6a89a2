// SPDX-License-Identifier: Apache-2.0
import CLinux
import Testing

@testable import Linux

@Suite(.serialized) struct TerminalTests {
    /// Both ends of a pseudo-terminal: whoever types, and where it is typed to.
    private struct Pair: ~Copyable {
        let master: FileDescriptor
        let slave: FileDescriptor

        /// Path of the end that is typed to.
        let path: String

        init() throws {
            let master = try FileDescriptor.open("/dev/ptmx", flags: O_RDWR | O_NOCTTY)
            var number: CInt = 0
            // TIOCSPTLCK with 0 unlocks it; TIOCGPTN tells its number.
            try Errno.check(unsafe clinux_ioctl(master.rawValue, 0x4004_5431, &number))
            try Errno.check(unsafe clinux_ioctl(master.rawValue, 0x8004_5430, &number))
            // All that may fail comes before the first property is set.
            let path = "/dev/pts/\(number)"
            let slave = try FileDescriptor.open(path, flags: O_RDWR | O_NOCTTY)
            self.path = path
            self.slave = slave
            self.master = master
        }

        func makeRaw() {
            var mode = termios()
            unsafe tcgetattr(slave.rawValue, &mode)
            unsafe cfmakeraw(&mode)
            unsafe tcsetattr(slave.rawValue, TCSANOW, &mode)
        }

        /// Whether typed characters are echoed, gathered to lines, and make signals.
        var isCooked: Bool {
            var mode = termios()
            unsafe tcgetattr(slave.rawValue, &mode)
            let all = tcflag_t(ECHO | ICANON | ISIG)
            return mode.c_lflag & all == all
        }
    }

    @Test func `A raw terminal is cooked again when its owner lets go`() throws {
        let pair = try Pair()
        let before = pair.isCooked
        let during: Bool
        do {
            let raw = try RawTerminal(pair.slave.rawValue)
            during = pair.isCooked
            _ = consume raw
        }
        let after = pair.isCooked
        #expect(before && !during && after)
    }

    /// Ends this process as a fault of a thread of that role does, with the terminal raw.
    private static func crash(_ role: ThreadRole) throws {
        let pair = try Pair()
        try Terminal.makeRaw(pair.slave.rawValue)
        try SeccompFilter.watchEnds()
        try SeccompFilter.watchViolations()
        try Confinement.renouncePrivileges()
        try SeccompFilter(instructions: try PolicyFile.built(role)).install(role)
        unsafe UnsafeMutablePointer<UInt8>(bitPattern: 16)?.pointee = 1
    }

    // Each of them has calls of its own.
    @Test func `A processor's thread that crashes makes the terminal cooked again`() async {
        await #expect(processExitsWith: .exitCode(150)) { try Self.crash(.vcpu) }
    }

    @Test func `A device's thread that crashes makes the terminal cooked again`() async {
        await #expect(processExitsWith: .exitCode(150)) { try Self.crash(.device) }
    }

    @Test func `A thread for signals that crashes makes the terminal cooked again`() async {
        await #expect(processExitsWith: .exitCode(150)) { try Self.crash(.worker) }
    }

    @Test func `What is no terminal cannot be made raw`() throws {
        let file = try FileDescriptor.open("/dev/null")
        #expect(!Terminal.isTerminal(file.rawValue))
        #expect(Terminal.size(of: file.rawValue) == nil)
        #expect(throws: Errno(rawValue: ENOTTY)) { _ = try RawTerminal(file.rawValue) }
    }

    /// As one behind a connection that hangs. A guest's console must not hold up its monitor.
    @Test(arguments: [false, true])
    func `A terminal that nobody reads makes no writer wait`(_ isRaw: Bool) throws {
        let pair = try Pair()
        if isRaw { pair.makeRaw() }
        let output = try FileDescriptor.forOutput(pair.slave.rawValue)

        let line = [UInt8](repeating: 0x0a, count: 4096)
        var taken = 0
        var fault: Errno?
        do throws(Errno) {
            while taken < 1 << 22 { taken += try output.writeIfReady(line[...]) }
        } catch {
            fault = error
        }
        #expect(fault == .again)
        #expect(taken > 0)
        let shared = clinux_fcntl(pair.slave.rawValue, F_GETFL, 0)
        #expect(shared & O_NONBLOCK == 0)
    }

    @Test func `A terminal tells its size`() throws {
        let pair = try Pair()
        var size = winsize(ws_row: 33, ws_col: 99, ws_xpixel: 0, ws_ypixel: 0)
        let request = UInt(TIOCSWINSZ)
        let result = unsafe clinux_ioctl(pair.master.rawValue, request, &size)
        #expect(result == 0)
        let told = Terminal.size(of: pair.slave.rawValue)
        #expect(told?.rows == 33)
        #expect(told?.columns == 99)
    }

    /// A process that makes its terminal raw and then ends in its own bad way must leave it cooked:
    /// it says itself whether it had been raw, and another looks at it afterwards.
    @Test(arguments: [SIGKILL, SIGSEGV, SIGILL, SIGABRT])
    func `A terminal is cooked again after its owner's sudden end`(_ number: CInt) async throws {
        let pair = try Pair()
        let path = pair.path
        await #expect(processExitsWith: .signal(number)) {
            [path = path as String, number = number as CInt] in
            let slave = try FileDescriptor.open(path, flags: O_RDWR | O_NOCTTY)
            let raw = try RawTerminal(slave.rawValue)
            _ = kill(getpid(), number)
            // Another thread may be the one that takes the signal, a moment later.
            sleep(10)
            _ = consume raw
        }
        let deadline = Clock.monotonic + 5_000_000_000
        while !pair.isCooked, Clock.monotonic < deadline { usleep(10_000) }
        let isCooked = pair.isCooked
        #expect(isCooked)
    }
}
