// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A guest without a kernel (`Guest/tests`) that attacks processor and devices of a whole machine.
@Suite(.serialized) struct HostileGuestTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        /// What `swiftlet run` must end with.
        let status: Int

        init(_ name: String, status: Int = HostileGuest.survived) {
            self.name = name
            self.status = status
        }

        var testDescription: String { name }
    }

    static let attacks: [Attack] = [
        Attack("ports"), Attack("string-ports"), Attack("no-memory"), Attack("msrs"),
        Attack("cpuid"), Attack("virtualization"), Attack("hypercalls"), Attack("timer-flood"),
        Attack("local-apic"), Attack("nmi"), Attack("triple-fault", status: 125), Attack("rings"),
        Attack("own-rings"),
        Attack("queues"), Attack("states"), Attack("registers"), Attack("notifications"),
        Attack("entropy"), Attack("balloon"), Attack("memory"),
    ]

    @Test(arguments: attacks)
    func `The software engine's machine survives, or ends with its status`(
        _ attack: Attack
    ) throws {
        try check(attack, engine: "soft")
    }

    /// Needs an engine for /dev/kvm, which not every host and not every version has.
    @Test(.enabled(if: HostileGuest.hasKVM, "the kvm engine cannot run here"), arguments: attacks)
    func `The hardware engine's machine survives, or ends with its status`(
        _ attack: Attack
    ) throws {
        try check(attack, engine: "kvm")
    }

    private func check(_ attack: Attack, engine: String) throws {
        let result = try HostileGuest.run(attack.name, engine: engine)
        var allowed = [attack.status]
        // A KVM that emulates guest kernels (PVM) may execute VMCALL for ever: it replaces the
        // instruction by itself. That is the guest's own time, which its owner's limit ends.
        if engine == "kvm", attack.name == "hypercalls" { allowed.append(124) }
        #expect(
            allowed.contains(result.status), "\(result.status) \(result.outputText.suffix(300))")
        // The guest may write to its serial port; the monitor has at most one line to say.
        #expect(result.error.count < 400, "\(result.errorText.prefix(1000))")
        #expect(result.output.count < 4096)
    }

    @Test func `A halted processor that nothing can wake costs no time`() throws {
        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            try HostileGuest.arguments("halt", engine: "soft") + ["--timeout", "6s"])
        var monitor: Int32?
        #expect(
            RunningProgram.wait(seconds: 5) {
                monitor = ProcessTable.children(of: running.identifier).first
                return monitor != nil
            })
        let process = try #require(monitor)
        sleep(1)
        let before = try #require(ProcessTable.processorTicks(of: process))
        sleep(2)
        let after = try #require(ProcessTable.processorTicks(of: process))
        // Of two hundred.
        #expect(after - before < 20)
        #expect(try running.end().status == 124)
    }
}

/// The guest, compiled once.
enum HostileGuest {
    /// What it ends with if nothing is broken.
    static let survived = 42

    private static let program = Result {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-hostile-\(UUID().uuidString)").path
        let result = try Program.run(Checkout.path("Guest/tests/build.sh"), [file])
        try #require(result.status == 0, "\(result.errorText)")
        return file
    }

    /// Every attack has all devices before it; what can be plugged is not offered.
    static func arguments(_ attack: String, engine: String) throws -> [String] {
        [
            "run", "--engine", engine, "--kernel", try program.get(), "--memory", "64M",
            "--debug-exit", "--balloon", "0:oom:report:hint:stats=1", "--hotplug", "1G", "--append",
            "case=\(attack)",
        ]
    }

    static func run(_ attack: String, engine: String) throws -> Program {
        try Program.run(
            try Built.file("bin/swiftlet"),
            try arguments(attack, engine: engine) + ["--timeout", engine == "kvm" ? "40s" : "60s"])
    }

    /// Whether a machine of the hardware engine can be had at all.
    static let hasKVM: Bool = {
        guard unsafe access("/dev/kvm", R_OK | W_OK) == 0,
            let result = try? run("nmi", engine: "kvm")
        else { return false }
        return !result.errorText.contains("the kvm engine is not part of this version")
    }()
}

/// What the kernel says of other processes.
enum ProcessTable {
    static func children(of process: Int32) -> [Int32] {
        let path = "/proc/\(process)/task"
        let threads = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return threads.flatMap { thread in
            let text = try? String(contentsOfFile: "\(path)/\(thread)/children", encoding: .utf8)
            return (text ?? "").split(separator: " ").compactMap { Int32($0) }
        }
    }

    /// Hundredths of a second of processor time so far.
    static func processorTicks(of process: Int32) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[end...].split(separator: " ")
        guard fields.count > 13, let user = Int(fields[12]), let system = Int(fields[13]) else {
            return nil
        }
        return user + system
    }

    /// Memory that is there, in bytes.
    static func residentBytes(of process: Int32) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        else { return nil }
        for line in text.split(separator: "\n") where line.hasPrefix("VmRSS:") {
            return line.split(separator: " ").dropFirst().first.flatMap { Int($0) }.map { $0 << 10 }
        }
        return nil
    }
}
