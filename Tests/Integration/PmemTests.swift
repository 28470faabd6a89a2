// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// Files of the host as memory of a Linux guest.
@Suite(.serialized, .enabled(if: PmemFile.canBeMade, "mkfs.ext4 is not installed here"))
struct PmemTests {
    @Test func `A guest mounts a file with DAX, and what it writes is in the file`() throws {
        let file = try PmemFile()
        let script = """
            set -e
            mkdir /mnt; mount -t ext4 -o dax=always /dev/pmem0 /mnt
            grep -q 'pmem0 /mnt ext4 .*dax=always' /proc/mounts
            echo 'from the host:' $(cat /mnt/greeting)
            seq 1 100000 > /mnt/numbers; sync; md5sum < /mnt/numbers
            umount /mnt
            """
        let result = try Program.swiftlet(
            "--pmem", file.path + ":id=data", "--", "sh", "-c", script)
        #expect(result.status == 0, "\(result.errorText)")
        let lines = result.outputText.split(separator: "\n").map(String.init)
        #expect(lines.first == "from the host: hello")
        try file.check()
        let numbers = try file.contents(of: "/numbers")
        let digest = try Program.run("md5sum", [], input: numbers).outputText
        #expect(lines.last == digest.trimmingCharacters(in: .newlines))
        #expect(numbers.count == 588_895)
    }

    @Test func `What is read-only can be mounted, and nothing of it changes`() throws {
        let file = try PmemFile()
        let before = try file.digest()
        let script = """
            mkdir /mnt; mount -t ext4 -o ro,noload,dax=always /dev/pmem0 /mnt || exit 1
            cat /mnt/greeting; umount /mnt
            dd if=/dev/zero of=/dev/pmem0 bs=4k count=8 conv=fsync 2> /dev/null
            echo still here
            """
        let result = try Program.swiftlet("--pmem", file.path + ":ro", "--", "sh", "-c", script)
        #expect(result.outputText == "hello\nstill here\n", "\(result.errorText)")
        #expect(try file.digest() == before)
    }

    @Test func `Two files come in their order, each rounded up to two mebibytes`() throws {
        let files = [try PmemFile(), try PmemFile()]
        try files[1].resize(5 << 20 | 4096)
        let result = try Program.swiftlet(
            "--pmem", files[0].path, "--pmem", files[1].path + ":ro:id=second", "--", "sh", "-c",
            "cat /sys/block/pmem0/size /sys/block/pmem1/size")
        #expect(
            result.outputText == "\(PmemFile.byteCount / 512)\n\(6 << 20 / 512)\n",
            "\(result.errorText)")
    }

    /// Reads all of it, again and again, without the guest's page cache.
    static let reader = """
        mkdir /mnt; mount -t ext4 -o ro,noload,dax=always /dev/pmem0 /mnt; echo begin;
        while :; do cat /mnt/big > /dev/null; done
        """

    @Test func `A file that becomes shorter ends the machine with one sentence`() throws {
        let file = try PmemFile(big: 40 << 20)
        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            ["run", "--engine", "soft", "--pmem", file.path + ":ro", "--", "sh", "-c", Self.reader])
        #expect(RunningProgram.wait(seconds: 60) { running.outputText == "begin\n" })
        try file.resize(1 << 20)
        let result = try running.end(seconds: 60)
        #expect(result.status == 125)
        #expect(
            result.errorText.contains("149")
                && result.errorText.contains(
                    "the file \(file.path), the guest's persistent memory, cannot be reached any more"
                ),
            "\(result.errorText)")
    }

    @Test func `A root file system may be persistent memory`() throws {
        let file = try PmemFile(isRoot: true)
        let config = """
            { "boot-source": {
                "kernel_image_path": "\(try Built.file("bin/guest/vmlinux"))",
                "boot_args": "console=ttyS0 quiet reboot=k panic=-1 rootfstype=ext4 rootflags=dax init=/bin/busybox -- sh /script" },
              "drives": [], "machine-config": { "vcpu_count": 1, "mem_size_mib": 128 },
              "pmem": [{ "id": "root", "path_on_host": "\(file.path)", "root_device": true }] }
            """
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data(config.utf8).write(to: place)
        defer { try? FileManager.default.removeItem(at: place) }
        let result = try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--no-api", "--engine", "soft", "--config-file", place.path])
        #expect(result.status == 0, "\(result.errorText)")
        #expect(
            result.outputText.contains(" pci=off root=/dev/pmem0 rw ")
                && result.outputText.contains("/dev/root / ext4 rw"),
            "\(result.outputText)")
        #expect(try file.contents(of: "/kept") == Data("kept\n".utf8))
    }

    @Test func `Its limits change while the machine runs`() throws {
        let file = try PmemFile()
        let monitor = try APIMonitor()
        let kernel = try LongModeKernel(LongModeKernel.busy)
        let client = try monitor.client()
        let limits = #"{"id":"p","rate_limiter":{"ops":{"size":7,"refill_time":1000}}}"#
        for (method, path, body, status) in [
            ("PUT", "/boot-source", "{\"kernel_image_path\":\"\(kernel.path)\"}", 204),
            ("PUT", "/pmem/p", "{\"id\":\"p\",\"path_on_host\":\"\(file.path)\"}", 204),
            ("PUT", "/actions", #"{"action_type":"InstanceStart"}"#, 204),
            ("PATCH", "/pmem/p", limits, 204), ("PATCH", "/pmem/q", #"{"id":"q"}"#, 400),
            ("DELETE", "/pmem/p", nil, 400),
        ] as [(String, String, String?, Int)] {
            let reply = try client.ask(method, path, body)
            #expect(reply.status == status, "\(method) \(path): \(reply)")
        }
        let config = try client.ask("GET", "/vm/config").json
        let pmem = try #require((config["pmem"] as? [[String: Any]])?.first)
        let ops = (pmem["rate_limiter"] as? [String: Any])?["ops"] as? [String: Any]
        #expect(ops?["size"] as? Int == 7)
        monitor.process.send(SIGTERM)
        #expect(try monitor.process.end(seconds: 30).status == 0)
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let options: [String]
        let text: String
        var testDescription: String { options.joined(separator: " ") }
    }

    @Test(arguments: [
        Refusal(
            options: ["--pmem", "/no/such/file"],
            text: "pmem pmem0: /no/such/file cannot be opened: No such file or directory"),
        Refusal(
            options: ["--pmem", "/dev/null:id=null"],
            text: "pmem null: /dev/null is neither a regular file nor a block device"),
        Refusal(
            options: ["--pmem", "/etc/hostname:id=a", "--pmem", "/etc/hostname:id=a"],
            text: "two persistent memories have the name a"),
        Refusal(
            options: ["--pmem", "/etc/hostname:engine=async"],
            text: "persistent memory has no engine"),
    ])
    func `What can be no memory is refused in one sentence`(_ refusal: Refusal) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet"), ["run"] + refusal.options + ["--", "true"])
        #expect(result.status != 0)
        #expect(result.errorText.contains(refusal.text), "\(result.errorText)")
    }
}

/// An ext4 file system with a greeting, gone with this value.
final class PmemFile {
    static let byteCount = 64 << 20
    static let canBeMade = (try? Program.run("mkfs.ext4", ["-V"])) != nil

    let path: String

    /// - Parameters:
    ///   - big: Bytes of a file `big`.
    ///   - isRoot: There is a shell, and a script for it.
    init(big: Int = 0, isRoot: Bool = false) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        path = folder.path + ".img"
        try Data("hello\n".utf8).write(to: folder.appending(path: "greeting"))
        if big > 0 {
            try Data(repeating: 0x5a, count: big).write(to: folder.appending(path: "big"))
        }
        if isRoot {
            for name in ["bin", "proc", "dev"] {
                try FileManager.default.createDirectory(
                    at: folder.appending(path: name), withIntermediateDirectories: false)
            }
            try FileManager.default.copyItem(
                at: URL(filePath: "/bin/busybox"), to: folder.appending(path: "bin/busybox"))
            let script = """
                b=/bin/busybox; $b mount -t proc proc /proc; $b cat /proc/cmdline /proc/mounts
                echo kept > /kept; $b sync; $b mount -o remount,ro /; $b reboot -f
                """
            try Data(script.utf8).write(to: folder.appending(path: "script"))
        }
        let made = try Program.run(
            "mkfs.ext4", ["-q", "-b", "4096", "-d", folder.path, path, "\(Self.byteCount >> 20)M"])
        try #require(made.status == 0, "\(made.errorText)")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func resize(_ count: Int) throws {
        let handle = try FileHandle(forWritingTo: URL(filePath: path))
        try handle.truncate(atOffset: UInt64(count))
        try handle.close()
    }

    func digest() throws -> String { try Program.run("md5sum", [path]).outputText }

    /// What the file system holds, without mounting it.
    func contents(of file: String) throws -> Data {
        try Program.run("debugfs", ["-R", "cat \(file)", path]).output
    }

    func check() throws {
        let result = try Program.run("e2fsck", ["-f", "-n", path])
        #expect(result.status == 0, "\(result.outputText) \(result.errorText)")
    }
}
