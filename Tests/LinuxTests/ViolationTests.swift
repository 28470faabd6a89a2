// SPDX-License-Identifier: Apache-2.0
import Glibc
import Support
import Testing

@testable import Linux

/// The built filters at work, in processes of their own.
@Suite struct ViolationTests {
    /// Binds this thread as the monitor would.
    private static func bind(_ role: ThreadRole) throws {
        try TestProcess.endsIn()
        try Confinement.renouncePrivileges()
        try Confinement.dropCapabilities()
        try SeccompFilter.watchViolations()
        try SeccompFilter(instructions: try PolicyFile.built(role)).install(role)
    }

    private static let status: ExitTest.Condition = .exitCode(SeccompFilter.violationStatus)

    @Test func `A file that is opened ends a vcpu thread's process with 148`() async {
        let result = await #expect(
            processExitsWith: Self.status, observing: [\.standardErrorContent]
        ) {
            try Self.bind(.vcpu)
            _ = unsafe open("/etc/passwd", O_RDONLY)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(
            text.contains("seccomp: the system call openat (257) is forbidden to a vcpu thread"))
    }

    @Test func `A SIGSYS that somebody has sent is not taken for a call`() async {
        let result = await #expect(
            processExitsWith: Self.status, observing: [\.standardErrorContent]
        ) {
            try TestProcess.endsIn()
            try SeccompFilter.watchViolations()
            raise(SIGSYS)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("swiftlet-vmm: the monitor was ended by SIGSYS\n"))
        #expect(!text.contains("seccomp"))
    }

    @Test func `A program that is run ends a loop thread's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.loop)
            _ = unsafe execve("/bin/true", [nil], [nil])
        }
    }

    @Test func `A socket ends a device thread's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.device)
            _ = socket(AF_UNIX, 0x80801, 0)
        }
    }

    @Test func `A file that is made ends an api thread's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.setup)
            try Self.bind(.api)
            _ = unsafe open("/tmp/swiftlet-never", O_RDWR | O_CREAT, 0o600)
        }
    }

    @Test func `An internet socket ends a loop thread's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.loop)
            _ = socket(AF_INET, 0x80801, 0)
        }
    }

    @Test func `Executable memory ends a vcpu thread's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.vcpu)
            _ = unsafe mmap(
                nil, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        }
    }

    @Test func `A signal sent to another process ends a worker's process with 148`() async {
        await #expect(processExitsWith: Self.status) {
            try Self.bind(.worker)
            _ = kill(getppid(), 0)
        }
    }

    @Test func `What a role may do it can do`() async {
        await #expect(processExitsWith: .exitCode(7)) {
            try Self.bind(.loop)
            let memory = unsafe mmap(
                nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
            guard unsafe memory != MAP_FAILED else { _exit(1) }
            let socket = socket(AF_UNIX, 0x80801, 0)
            guard socket >= 0, close(socket) == 0 else { _exit(2) }
            _exit(7)
        }
    }

    @Test func `Without no_new_privs a filter is refused to who has no rights`() async {
        await #expect(processExitsWith: .exitCode(9)) {
            try Confinement.dropCapabilities()
            do throws(Errno) {
                try SeccompFilter(instructions: [0x7fff_0000_0000_0006]).install(.vcpu)
            } catch {
                _exit(error == Errno(rawValue: EACCES) ? 9 : 1)
            }
        }
    }
}

@Suite struct ConfinementTests {
    @Test(.enabled(if: Landlock.version != nil, "this kernel has no Landlock"))
    func `Only the files given stay in reach, and what is open stays open`() async {
        await #expect(processExitsWith: .exitCode(5)) {
            let group = try FileDescriptor.open("/etc/group")
            var files = Landlock()
            files.allow("/etc/passwd", .read)
            files.allow("/nonexistent", .read)
            try Confinement.renouncePrivileges()
            guard try files.restrict() else { _exit(1) }
            _ = try FileDescriptor.open("/etc/passwd")
            var buffer: [UInt8] = [0]
            guard try group.read(into: &buffer) == 1 else { _exit(2) }
            do throws(Errno) {
                _ = try FileDescriptor.open("/etc/group")
                _exit(3)
            } catch {
                guard error == Errno(rawValue: EACCES) else { _exit(4) }
            }
            do throws(Errno) {
                _ = try FileDescriptor.open("/etc/passwd", flags: O_RDWR)
                _exit(6)
            } catch {
                _exit(error == Errno(rawValue: EACCES) ? 5 : 7)
            }
        }
    }

    @Test func `A confined process has no capability, no environment and no strangers' files`()
        async
    {
        await #expect(processExitsWith: .exitCode(5)) {
            // Numbers that the test's runtime never comes to: it traps if what it waits on is gone, and opens
            // more beside this at any time.
            let own: CInt = 900
            let stranger = fcntl(try FileDescriptor.open("/dev/zero").release(), F_DUPFD, own)
            let known = fcntl(try FileDescriptor.open("/dev/null").release(), F_DUPFD, own)
            guard stranger >= own, known > stranger else { _exit(2) }
            try Confinement.closeDescriptors(except: Array(0..<own) + [known])
            guard fcntl(stranger, F_GETFD) < 0, fcntl(known, F_GETFD) == FD_CLOEXEC else {
                _exit(1)
            }
            Confinement.clearEnvironment()
            guard CurrentProcess.environment("PATH") == nil else { _exit(3) }
            try Confinement.renouncePrivileges()
            try Confinement.dropCapabilities()
            let status = HostFiles().lines("/proc/thread-self/status")
            for name in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
                guard status.contains("\(name):\t0000000000000000") else { _exit(4) }
            }
            try Confinement.hide()
            let core = HostFiles().lines("/proc/self/limits").first {
                $0.hasPrefix("Max core file")
            }
            let words = core?.split(separator: " ") ?? []
            guard words.count > 5, words[4] == "0", words[5] == "0" else { _exit(6) }
            _exit(5)
        }
    }

    /// Root's programs have all of them otherwise, whatever has executed them.
    @Test func `A program that a confined process executes has no capability either`() async {
        await #expect(processExitsWith: .exitCode(5)) {
            try TestProcess.endsIn()
            try Confinement.renouncePrivileges()
            try Confinement.dropCapabilities()
            let count = "grep -c '^Cap[IPEA].*[[:space:]]0*$' /proc/self/status"
            let child = try ChildProcess(
                path: "/bin/sh", arguments: ["-c", "[ $(\(count)) = 4 ]"],
                environment: ["PATH=/usr/bin:/bin"], descriptors: [0, 1, 2])
            _exit(child.reap() == .exited(0) ? 5 : 6)
        }
    }
}

/// The line that is kept for the case that a signal ends the process.
@Suite struct PartingLineTests {
    /// Thirteen digits, and one for each reason, on standard error.
    private static func keep() throws {
        let line = PartingLine(Array("time=0000000000000 0000000\n".utf8), time: 5) { reason in
            19 + (PartingLine.Reason.allCases.firstIndex(of: reason) ?? 0)
        }
        try line.keep(for: 2)
    }

    /// Whether `error` ends with the line, once, with `digits` and today's time: a
    /// busy host looks late.
    private static func holds(_ error: [UInt8]?, _ digits: String) -> Bool {
        let text = String(decoding: error ?? [], as: UTF8.self)
        let lines = text.matches(of: #/time=([0-9]{13}) ([0-9]{7})\n/#)
        guard lines.count == 1, let time = UInt64(lines[0].1), lines[0].2 == digits else {
            return false
        }
        return text.hasSuffix(lines[0].0) && Clock.realtime / 1_000_000 &- time < 86_400_000
    }

    /// Sends this thread a signal, which the runner of tests has left blocked.
    private static func send(_ signal: CInt) {
        var set = sigset_t()
        unsafe sigemptyset(&set)
        unsafe sigaddset(&set, signal)
        unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
        raise(signal)
    }

    @Test func `A forbidden call is counted in it`() async {
        let result = await #expect(
            processExitsWith: .exitCode(148), observing: [\.standardErrorContent]
        ) {
            try Confinement.renouncePrivileges()
            try Confinement.dropCapabilities()
            try SeccompFilter.watchViolations()
            try SeccompFilter(instructions: try PolicyFile.built(.vcpu)).install(.vcpu)
            try Self.keep()
            _ = unsafe open("/etc/passwd", O_RDONLY)
        }
        #expect(Self.holds(result?.standardErrorContent, "1000000"))
    }

    @Test func `A signal that somebody sends is counted in it`() async {
        let result = await #expect(
            processExitsWith: .exitCode(157), observing: [\.standardErrorContent]
        ) {
            // The runtime of a test may have put its backtracer there.
            _ = signal(SIGILL, SIG_DFL)
            try SeccompFilter.watchEnds()
            try Self.keep()
            // The one that was kept last counts.
            try Self.keep()
            Self.send(SIGILL)
        }
        #expect(Self.holds(result?.standardErrorContent, "0000010"))
    }

    @Test func `A check that fails is counted in it as a signal and as a panic`() async {
        let result = await #expect(
            processExitsWith: .exitCode(157), observing: [\.standardErrorContent]
        ) {
            _ = signal(SIGILL, SIG_DFL)
            try SeccompFilter.watchEnds()
            try Self.keep()
            fatalError("a check has failed")
        }
        #expect(Self.holds(result?.standardErrorContent, "0000011"))
    }

    @Test func `Without one the process ends as it would`() async {
        let result = await #expect(
            processExitsWith: .exitCode(150), observing: [\.standardErrorContent]
        ) {
            _ = signal(SIGSEGV, SIG_DFL)
            try SeccompFilter.watchEnds()
            Self.send(SIGSEGV)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.hasSuffix("swiftlet-vmm: the monitor was ended by SIGSEGV\n"))
    }

    @Test(arguments: [(70_000, 5), (26, 14), (4, 0)])
    func `A line that has no room, or no place for its time, is refused`(
        _ count: Int, _ time: Int
    ) {
        let line = PartingLine([UInt8](repeating: 48, count: count), time: time) { _ in 0 }
        #expect(throws: Errno.self) { try line.keep(for: 2) }
    }
}
