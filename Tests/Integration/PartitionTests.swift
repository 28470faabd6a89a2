// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// A root file system in a partition, which goes by its name: Firecracker's `partuuid`.
@Suite(.serialized, .enabled(if: PmemFile.canBeMade, "mkfs.ext4 is not installed here"))
struct PartitionTests {
    @Test(arguments: PartitionedDisk.Label.allCases)
    func `The root file system is found by the name of its partition`(
        _ label: PartitionedDisk.Label
    ) throws {
        let disk = try PartitionedDisk(label, try PmemFile(isRoot: true))
        let name = PartitionedDisk.name(label)
        // By the agent.
        let run = try Program.swiftlet(
            "--disk", disk.path, "--append", "root=PARTUUID=\(name) rw", "--", "/bin/busybox", "sh",
            "-c", "/bin/busybox cat /greeting; echo here > /kept")
        #expect(run.outputText == "hello\n", "\(run.errorText)")
        // By the kernel, which has no initramfs then.
        let config = """
            { "boot-source": {
                "kernel_image_path": "\(try Built.file("bin/guest/vmlinux"))",
                "boot_args": "console=ttyS0 quiet reboot=k panic=-1 rootfstype=ext4 init=/bin/busybox -- sh /script" },
              "drives": [{ "drive_id": "root", "path_on_host": "\(disk.path)", "is_root_device": true,
                           "partuuid": "\(name)" }],
              "machine-config": { "vcpu_count": 1, "mem_size_mib": 128 } }
            """
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data(config.utf8).write(to: place)
        defer { try? FileManager.default.removeItem(at: place) }
        let monitor = try Program.run(
            try Built.file("bin/swiftlet-vmm"),
            ["--no-api", "--engine", "soft", "--config-file", place.path])
        #expect(monitor.status == 0, "\(monitor.errorText)")
        #expect(monitor.outputText.contains("root=PARTUUID=\(name) rw"), "\(monitor.outputText)")
        #expect(monitor.outputText.contains("/dev/root / ext4 rw"), "\(monitor.outputText)")
    }

    @Test func `A partition that is not there ends the machine and says so`() throws {
        let disk = try PartitionedDisk(.gpt, try PmemFile())
        let name = "ffffffff-4455-6677-8899-aabbccddeeff"
        let run = try Program.swiftlet(
            "--disk", disk.path, "--append", "root=PARTUUID=\(name)", "--", "true")
        #expect(run.status == 125)
        #expect(
            run.errorText.contains("cannot be mounted from PARTUUID=\(name)"), "\(run.errorText)")
    }
}
