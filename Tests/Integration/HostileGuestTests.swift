// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Testing

/// A guest without a kernel (`Guest/tests`) that attacks processors and devices of a whole machine.
@Suite(.serialized) struct HostileGuestTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        /// What the monitor must end with.
        let status: Int
        let cpus: Int
        /// It is about the network, which not everybody can make.
        let needsNetwork: Bool

        init(
            _ name: String, status: Int = HostileMachine.survived, cpus: Int = 1,
            needsNetwork: Bool = false
        ) {
            self.name = name
            self.status = status
            self.cpus = cpus
            self.needsNetwork = needsNetwork
        }

        var testDescription: String { name }
        var isPossible: Bool { !needsNetwork || NetworkNamespace.isPossible }
    }

    static let attacks: [Attack] = [
        Attack("ports"), Attack("string-ports"), Attack("no-memory"), Attack("msrs"),
        Attack("cpuid"), Attack("virtualization"), Attack("hypercalls"), Attack("timer-flood"),
        Attack("local-apic"), Attack("nmi"), Attack("triple-fault", status: 1),
        Attack("rings"), Attack("own-rings"), Attack("queues"), Attack("states"),
        Attack("registers"), Attack("notifications"), Attack("entropy"), Attack("balloon"),
        Attack("memory"), Attack("disk"), Attack("pmem"), Attack("vsock"),
        Attack("net", needsNetwork: true), Attack("messages", cpus: 4), Attack("storm", cpus: 4),
        Attack("fight", cpus: 4), Attack("leave", cpus: 4),
        Attack("collapse", status: 1, cpus: 4),
    ]
    static let possible = attacks.filter(\.isPossible)

    @Test(arguments: possible)
    func `The software engine's machine survives, or ends with its status`(
        _ attack: Attack
    ) throws {
        try check(attack, engine: "soft")
    }

    /// Needs an engine for /dev/kvm, which not every host and not every version has.
    @Test(
        .enabled(if: HostileMachine.hasKVM, "the kvm engine cannot run here"), arguments: possible)
    func `The hardware engine's machine survives, or ends with its status`(
        _ attack: Attack
    ) throws {
        try check(attack, engine: "kvm")
    }

    private func check(_ attack: Attack, engine: String) throws {
        let machine = try HostileMachine(attack.name, engine: engine, cpus: attack.cpus)
        let running = try machine.start()
        // A KVM that emulates guest kernels (PVM) may execute VMCALL for ever: it replaces the
        // instruction by itself. That is the guest's own time, which its owner's limit ends.
        if engine == "kvm", attack.name == "hypercalls", running.result(within: 30) == nil {
            running.send(SIGTERM)
            #expect(running.result(within: 60) != nil, "the monitor does not end when told to")
            return
        }
        let result = try running.end(seconds: 120)
        #expect(
            result.status == attack.status,
            "\(result.status) \(result.outputText.suffix(600)) \(result.errorText.suffix(600))")
        // The guest may write to its serial port; the monitor says that it has begun and ended, and
        // has at most one line for what is wrong.
        #expect(result.error.count < 400, "\(result.errorText.prefix(1000))")
        #expect(result.output.count < 4096)
        try machine.checkFiles(after: attack.name)
    }

    @Test func `A halted processor that nothing can wake costs no time`() throws {
        let machine = try HostileMachine("halt", engine: "soft", cpus: 1)
        let running = try machine.start()
        let hasBegun = RunningProgram.wait(seconds: 20) {
            running.outputText.contains("Successfully started")
        }
        try #require(hasBegun)
        sleep(1)
        let before = try #require(ProcessTable.processorTicks(of: running.identifier))
        sleep(2)
        let after = try #require(ProcessTable.processorTicks(of: running.identifier))
        // Of two hundred.
        #expect(after - before < 20)
        running.send(SIGTERM)
        #expect(running.result(within: 20) != nil)
    }
}

/// A monitor with every device there is, and the hostile guest before them.
final class HostileMachine {
    /// What the guest ends with if nothing is broken.
    static let survived = 42
    private static let diskBytes = 20 << 20
    private static let pmemBytes = 2 << 20

    /// The guest, compiled once.
    private static let program = Result {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-hostile-\(UUID().uuidString)").path
        let result = try Program.run(Checkout.path("Guest/tests/build.sh"), [file])
        try #require(result.status == 0, "\(result.errorText)")
        return file
    }

    private let folder: URL
    /// Where the TAP device is, if we can make one.
    private let network: NetworkNamespace?
    /// A program of the host's that guests may call. The kernel answers for it.
    private let listener: FileDescriptor

    init(_ attack: String, engine: String, cpus: Int) throws {
        folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-hostile-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        listener = try UnixSocket.listen(
            at: folder.appending(path: "vsock_1024").path, backlog: 4096)
        network = try Self.makeNetwork()
        // The guest knows a disk by its first sector, and the read-only memory by all of it.
        for name in ["sync", "async", "sealed"] {
            let file = folder.appending(path: name)
            try Data(repeating: 0x5a, count: 512).write(to: file)
            let handle = try FileHandle(forWritingTo: file)
            try handle.truncate(atOffset: UInt64(Self.diskBytes))
            try handle.close()
        }
        try Data(count: Self.pmemBytes).write(to: folder.appending(path: "pmem"))
        try Data(repeating: 0xa5, count: Self.pmemBytes)
            .write(to: folder.appending(path: "sealed-pmem"))
        try Data(try configuration(attack, engine, cpus).utf8)
            .write(to: folder.appending(path: "config"))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private static func makeNetwork() throws -> NetworkNamespace? {
        guard NetworkNamespace.isPossible else { return nil }
        let network = try NetworkNamespace()
        try network.set(["tuntap", "add", "dev", "hostile0", "mode", "tap"])
        try network.set(["address", "add", "10.9.0.1/24", "dev", "hostile0"])
        try network.set(["link", "set", "hostile0", "up"])
        return network
    }

    /// What can be plugged is offered in the midst of a fight only.
    private func configuration(_ attack: String, _ engine: String, _ cpus: Int) throws -> String {
        let interface = "{\"iface_id\": \"eth0\", \"host_dev_name\": \"hostile0\"}"
        let path = folder.path
        return """
            {
              "boot-source": {"kernel_image_path": "\(try Self.program.get())",
                "boot_args": "case=\(attack)"},
              "machine-config": {"vcpu_count": \(cpus), "mem_size_mib": 64},
              "drives": [
                {"drive_id": "sync", "path_on_host": "\(path)/sync", "is_root_device": false,
                  "cache_type": "Writeback"},
                {"drive_id": "async", "path_on_host": "\(path)/async", "is_root_device": false,
                  "cache_type": "Writeback", "io_engine": "Async"},
                {"drive_id": "sealed", "path_on_host": "\(path)/sealed", "is_root_device": false,
                  "is_read_only": true}],
              "pmem": [{"id": "pmem", "path_on_host": "\(path)/pmem"},
                {"id": "sealed", "path_on_host": "\(path)/sealed-pmem", "read_only": true}],
              "network-interfaces": [\(network == nil ? "" : interface)],
              "vsock": {"guest_cid": 3, "uds_path": "\(path)/vsock"},
              "entropy": {},
              "balloon": {"amount_mib": 0, "deflate_on_oom": true, "stats_polling_interval_s": 1,
                "free_page_hinting": true, "free_page_reporting": true},
              "memory-hotplug": {"total_size_mib": 1024, "block_size_mib": 2,
                "slot_size_mib": 128},
              "swiftlet": {"engine": "\(engine)", "debug_exit": true,
                "plugged_memory_mib": \(["fight", "leave", "collapse"].contains(attack) ? 64 : 0)}
            }
            """
    }

    func start() throws -> RunningProgram {
        let monitor = [
            try Built.file("bin/swiftlet-vmm"), "--no-api", "--config-file",
            folder.appending(path: "config").path,
        ]
        guard let network else { return try RunningProgram(monitor[0], Array(monitor[1...])) }
        return try RunningProgram("ip", ["netns", "exec", network.name] + monitor)
    }

    /// What is read-only is as it was, and nothing has become larger.
    func checkFiles(after attack: String) throws {
        let disk = try Data(contentsOf: folder.appending(path: "sealed"))
        #expect(
            disk == Data(repeating: 0x5a, count: 512) + Data(count: Self.diskBytes - 512),
            "the read-only disk has changed")
        let memory = try Data(contentsOf: folder.appending(path: "sealed-pmem"))
        #expect(
            memory == Data(repeating: 0xa5, count: Self.pmemBytes),
            "the read-only persistent memory has changed")
        for (name, count) in [
            ("sync", Self.diskBytes), ("async", Self.diskBytes), ("pmem", Self.pmemBytes),
        ] {
            let values = try folder.appending(path: name).resourceValues(forKeys: [.fileSizeKey])
            #expect(values.fileSize == count, "\(name)")
        }
        // The guest had a sector of the disk read into the file behind its memory.
        guard attack == "pmem" else { return }
        let bytes = try Data(contentsOf: folder.appending(path: "pmem"))
        #expect(bytes[4096..<4608].allSatisfy { $0 == 0x5a } && bytes[4608] == 0)
    }

    /// Whether a machine of the hardware engine can be had at all.
    static let hasKVM: Bool = {
        guard unsafe access("/dev/kvm", R_OK | W_OK) == 0,
            let machine = try? HostileMachine("nmi", engine: "kvm", cpus: 1),
            let result = try? machine.start().end()
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
