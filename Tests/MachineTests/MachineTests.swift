// SPDX-License-Identifier: Apache-2.0
import Devices
import Foundation
import Linux
import Memory
import Support
import Testing

@testable import Machine

@Suite struct MachineTests {
    private func configuration(_ path: String) -> MachineConfiguration {
        var configuration = MachineConfiguration(kernelPath: path, commandLine: "")
        configuration.engine = .soft
        configuration.memoryBytes = 32 << 20
        configuration.debugExit = true
        return configuration
    }

    /// A guest of a few instructions, and how its machine ends.
    struct Ending: CustomTestStringConvertible, Sendable {
        let guest: String
        let code: [UInt8]
        let end: MachineEnd
        var testDescription: String { guest }
    }

    @Test(arguments: [
        Ending(
            guest: "a value for the debug-exit port",
            code: TinyKernel.exiting(with: 0x1234_5678), end: .debugExit(0x1234_5678)),
        Ending(
            guest: "a reset by the keyboard controller",
            // mov al, 0xfe; out 0x64, al; jmp .
            code: [0xb0, 0xfe, 0xe6, 0x64, 0xeb, 0xfe], end: .reset),
        Ending(
            guest: "an exception without a table to look it up",
            // lidt of six zero bytes behind it; ud2
            code: [0x0f, 0x01, 0x1d, 0x29, 0, 0x10, 0, 0x0f, 0x0b, 0, 0, 0, 0, 0, 0],
            end: .shutdown("triple fault on processor 0")),
    ])
    func `A machine runs its guest to the guest's end`(_ ending: Ending) throws {
        let kernel = try TinyKernel(ending.code)
        let machine = try Machine(configuration(kernel.path))
        #expect(try machine.runInTime() == ending.end)
    }

    /// Kernels that are a single program are given so little.
    @Test func `A machine has no more memory than its guest needs`() throws {
        let kernel = try TinyKernel(TinyKernel.exiting(with: 7))
        var small = configuration(kernel.path)
        small.memoryBytes = 2 << 20
        #expect(try Machine(small).runInTime() == .debugExit(7))
    }

    @Test func `The timeline counts each instruction and exit of the guest`() throws {
        let kernel = try TinyKernel(TinyKernel.exiting(with: 1))
        let machine = try Machine(configuration(kernel.path))
        _ = try machine.runInTime()
        let timeline = machine.timeline
        // Two moves and the OUT; HLT comes after the end, if at all.
        #expect(3...4 ~= timeline.instructions ?? 0)
        #expect(timeline.exits == 1)
        let created = try #require(timeline.created)
        #expect(try #require(timeline.firstInstruction) >= created)
        #expect(timeline.userEntry == nil)
    }

    @Test func `A guest's first user instruction is noted, with those before it counted`() throws {
        func little(_ word: UInt32) -> [UInt8] { (0..<4).map { UInt8(word >> ($0 * 8) & 0xff) } }
        // Flat code and data of CPL 0 (0x08, 0x10) and CPL 3 (0x1b, 0x23).
        let gdt: [UInt8] =
            [0, 0, 0, 0, 0, 0, 0, 0] + [0xff, 0xff, 0, 0, 0, 0x9a, 0xcf, 0]
            + [0xff, 0xff, 0, 0, 0, 0x92, 0xcf, 0] + [0xff, 0xff, 0, 0, 0, 0xfa, 0xcf, 0]
            + [0xff, 0xff, 0, 0, 0, 0xf2, 0xcf, 0]
        let user = TinyKernel.exiting(with: 5)
        let userAt: UInt32 = 0x10_0020 + 32
        let pointerAt = userAt + UInt32(user.count)
        let stack = little(0x9_0000)
        // mov esp; lgdt; push SS, ESP, EFLAGS with IOPL 3, CS, EIP; iretd: 32 bytes.
        let kernelCode: [UInt8] =
            [0xbc] + stack + [0x0f, 0x01, 0x15] + little(pointerAt) + [0x6a, 0x23, 0x68] + stack
            + [0x68] + little(0x3002) + [0x6a, 0x1b, 0x68] + little(userAt) + [0xcf]
        try #require(kernelCode.count == 32)
        let whole = kernelCode + user + [39, 0] + little(pointerAt + 6) + gdt
        let kernel = try TinyKernel(whole)
        let machine = try Machine(configuration(kernel.path))
        #expect(try machine.runInTime() == .debugExit(5))
        // mov esp, lgdt, five pushes, iretd.
        #expect(machine.timeline.userEntryInstructions == 8)
    }

    @Test(arguments: [true, false])
    func `A machine that nobody holds is gone, and its memory with it`(runs: Bool) throws {
        weak var forgotten: Machine?
        weak var memory: GuestMemory?
        do {
            let kernel = try TinyKernel(TinyKernel.exiting(with: 1))
            let file = try ScratchFile(byteCount: 2 << 20)
            var configuration = configuration(kernel.path)
            configuration.entropy = true
            configuration.balloon = MachineConfiguration.Balloon(mebibytes: 1)
            configuration.drives = [.init(id: "d", path: file.path)]
            configuration.pmems = [.init(id: "p", path: file.path)]
            let machine = try Machine(configuration)
            if runs { #expect(try machine.runInTime() == .debugExit(1)) }
            forgotten = machine
            memory = machine.memory
        }
        // Its last thread may still be on its way out.
        for _ in 0..<1000 where forgotten != nil || memory != nil { usleep(1000) }
        #expect(forgotten == nil)
        #expect(memory == nil)
    }

    @Test func `Limits of random bytes change if there are some`() throws {
        let kernel = try TinyKernel(TinyKernel.exiting(with: 1))
        for (isThere, limits) in [
            (false, nil), (true, nil), (true, MachineConfiguration.Limits()),
        ] as [(Bool, MachineConfiguration.Limits?)] {
            var configuration = configuration(kernel.path)
            configuration.entropy = isThere
            configuration.entropyLimits = limits
            let machine = try Machine(configuration)
            let bucket = MachineConfiguration.Bucket(size: 7, refillTime: 1000)
            let hasChanged = machine.setEntropyLimits(.init(operations: bucket))
            #expect(hasChanged == (limits != nil))
        }
    }

    /// A configuration that no machine can be made of, and what is said of it.
    struct Refusal: CustomTestStringConvertible, Sendable {
        let rule: String
        let change: @Sendable (inout MachineConfiguration) -> Void
        let message: String
        var testDescription: String { rule }
    }

    @Test(arguments: [
        Refusal(
            rule: "no processor", change: { $0.cpuCount = 0 },
            message: "0 processors: it must be 1 to 32"),
        Refusal(
            rule: "too many processors", change: { $0.cpuCount = 33 },
            message: "33 processors: it must be 1 to 32"),
        Refusal(
            rule: "too little memory", change: { $0.memoryBytes = 1 << 20 },
            message: "guest memory of 1048576 bytes: it must be whole MiB, at least 2 MiB and"
                + " at most 64 GiB"),
        Refusal(
            rule: "no kernel", change: { $0.kernelPath = "/no/such/kernel" },
            message: "The kernel file /no/such/kernel cannot be opened: No such file or directory"),
        Refusal(
            rule: "a directory as initrd", change: { $0.initrdPath = "/tmp" },
            message: "The initrd file /tmp cannot be opened: Is a directory"),
        Refusal(
            rule: "persistent memory that is not there",
            change: { $0.pmems = [.init(id: "p", path: "/no/such/file")] },
            message: "pmem p: /no/such/file cannot be opened: No such file or directory"),
        Refusal(
            rule: "a directory as persistent memory",
            change: { $0.pmems = [.init(id: "p", path: "/tmp")] },
            message: "pmem p: /tmp "),
        Refusal(
            rule: "the reserved host as guest",
            change: { $0.vsock = MachineConfiguration.Vsock(cid: 2, path: "/tmp/never-made") },
            message: "vsock: "),
    ])
    func `What cannot be made is refused in one sentence`(_ refusal: Refusal) throws {
        let kernel = try TinyKernel(TinyKernel.exiting(with: 0))
        var configuration = configuration(kernel.path)
        refusal.change(&configuration)
        var message: String?
        do throws(MachineError) {
            _ = try Machine(configuration)
        } catch {
            message = "\(error)"
        }
        #expect(message?.hasPrefix(refusal.message) == true, "\(message ?? "nothing was thrown")")
    }

    /// What a machine that cannot be made whole finds wrong, late.
    struct LateRefusal: CustomTestStringConvertible, Sendable {
        let rule: String
        let memoryBytes: UInt64
        let change: @Sendable (inout MachineConfiguration) -> Void
        var testDescription: String { rule }
    }

    /// Whether this process has mapped the memory of a guest of this size, which no other test has.
    private func isMapped(_ byteCount: UInt64) throws -> Bool {
        let maps = try #require(HostFiles().text("/proc/self/maps"))
        return maps.split(separator: "\n").contains { line in
            guard line.contains("guest-memory") else { return false }
            let ends = line.prefix { $0 != " " }.split(separator: "-")
                .compactMap { UInt64($0, radix: 16) }
            return ends.count == 2 && ends[1] - ends[0] == byteCount
        }
    }

    @Test(arguments: [
        LateRefusal(
            rule: "a kernel that is none", memoryBytes: 37 << 20,
            change: { $0.kernelPath = "/etc/passwd" }),
        LateRefusal(
            rule: "a drive that is not there, behind devices that are", memoryBytes: 41 << 20,
            change: { $0.drives = [.init(id: "d", path: "/no/such/file")] }),
        LateRefusal(
            rule: "a TAP device that cannot be, on a thread of its own", memoryBytes: 43 << 20,
            change: { $0.networks = [.init(id: "n", device: "no/such/name")] }),
    ])
    func `A machine that cannot be made leaves nothing on the loop it was given`(
        _ refusal: LateRefusal
    ) throws {
        let loop = try EventLoop()
        let kernel = try TinyKernel(TinyKernel.exiting(with: 3))
        let path = ScratchPath.unique("vsock")
        var configuration = configuration(kernel.path)
        configuration.memoryBytes = refusal.memoryBytes
        configuration.entropy = true
        configuration.vsock = MachineConfiguration.Vsock(cid: 3, path: path)
        let good = configuration
        refusal.change(&configuration)
        for _ in 0..<2 {
            var message = ""
            do throws(MachineError) {
                _ = try Machine(configuration, loop: loop)
            } catch {
                message = "\(error)"
            }
            #expect(!message.isEmpty && !message.contains("vsock"), "\(message)")
            #expect(!FileManager.default.fileExists(atPath: path))
            #expect(try !isMapped(refusal.memoryBytes))
        }
        let machine = try Machine(good, loop: loop)
        #expect(try isMapped(refusal.memoryBytes))
        #expect(try machine.runInTime() == .debugExit(3))
    }
}
