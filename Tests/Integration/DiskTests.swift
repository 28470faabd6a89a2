// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Debian's own file system as the root of a guest, on disks of every sort.
///
/// `Guest/images/debian.sh` makes the images once, with debootstrap, and keeps them in the cache. A
/// host without root, debootstrap or a Debian mirror skips these tests and says so.
@Suite(.serialized, .enabled(if: Image.isAvailable, "debootstrap cannot make an image here"))
struct DiskTests {
    @Test func `Debian boots from ext4, keeps what was written, and its file system is clean`()
        throws
    {
        let image = try Image("ext4")
        let policy = try Program.swiftlet(
            "--rootfs", image.path, "--memory", "256M", "--", "apt-cache", "policy", "bash")
        #expect(policy.status == 0, "\(policy.errorText)")
        #expect(policy.outputText.contains("Installed: 5."), "\(policy.outputText)")
        try image.check()

        let text = UUID().uuidString
        let written = try Program.swiftlet(
            "--rootfs", image.path, "--memory", "256M", "-e", "TEXT=\(text)", "--", "sh", "-c",
            // Something still writes when the command ends.
            "echo $TEXT > /root/kept; echo $TEXT > /tmp/kept; (while :; do date; done > /root/busy) &"
        )
        #expect(written.status == 0, "\(written.errorText)")
        try image.check()

        let read = try Program.swiftlet(
            "--rootfs", image.path + ":ro", "--memory", "256M", "--", "sh", "-c",
            "cat /root/kept; touch /root/new || grep ' / ' /proc/mounts; touch /tmp/new && echo tmp"
        )
        #expect(
            read.outputText.hasPrefix("\(text)\n/dev/root / ext4 ro")
                || read.outputText.hasPrefix("\(text)\n/dev/vda / ext4 ro"),
            "\(read.outputText) \(read.errorText)")
        #expect(read.outputText.hasSuffix("\ntmp\n"))
        try image.check()
    }

    @Test func `Debian boots from erofs, which nobody can write to`() throws {
        let image = try Image("erofs")
        let result = try Program.swiftlet(
            "--rootfs", image.path, "--memory", "256M", "--", "sh", "-c",
            "touch /root/new || cat /etc/debian_version; touch /tmp/new && echo tmp")
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.outputText.hasPrefix("12."), "\(result.outputText)")
        #expect(result.outputText.hasSuffix("\ntmp\n"))
    }

    @Test func `A root that is no file system ends the machine and says why`() throws {
        let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try Data(count: 1 << 20).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let result = try Program.swiftlet("--rootfs", file.path, "--", "true")
        #expect(result.status == 125)
        #expect(
            result.errorText.contains("cannot be mounted from /dev/vda"), "\(result.errorText)")
    }

    /// SWIFTLET_FIO_SECONDS: how long each engine is under load; short by itself.
    @Test(arguments: ["sync", "async"])
    func `What fio writes and verifies in the guest is what is in the file`(engine: String) throws {
        let image = try Image("ext4")
        let seconds = ProcessInfo.processInfo.environment["SWIFTLET_FIO_SECONDS"] ?? "3"
        let disk = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        FileManager.default.createFile(atPath: disk.path, contents: nil)
        let handle = try FileHandle(forWritingTo: disk)
        try handle.truncate(atOffset: 64 << 20)
        try handle.close()
        defer { try? FileManager.default.removeItem(at: disk) }
        let result = try Program.swiftlet(
            "--rootfs", image.path, "--disk", "\(disk.path):id=load:engine=\(engine)", "--memory",
            "512M", "--", "sh", "-c",
            """
            set -e
            test "$(cat /sys/block/vdb/serial)" = load
            fio --name=load --filename=/dev/vdb --size=64M --rw=randrw --bs=4k-64k --direct=1 \
                --ioengine=libaio --iodepth=16 --verify=crc32c --verify_fatal=1 --time_based \
                --runtime=\(seconds) --minimal > /tmp/fio.log 2>&1 || { cat /tmp/fio.log; exit 1; }
            sync
            sha256sum /dev/vdb
            """, seconds: 120 + 20 * (Double(seconds) ?? 3))
        #expect(result.status == 0, "\(result.outputText) \(result.errorText)")
        let outside = try Program.run("sha256sum", [disk.path])
        #expect(!outside.outputText.isEmpty)
        #expect(
            result.outputText.split(separator: " ").first
                == outside.outputText.split(separator: " ").first)
    }

    @Test func `Two disks of one name are refused, as is one that is not there`() throws {
        let image = try Image("ext4")
        let twice = try Program.swiftlet(
            "--disk", image.path + ":id=a", "--disk", image.path + ":id=a", "--", "true")
        #expect(twice.status == 125)
        #expect(twice.errorText.contains("two disks have the name a"), "\(twice.errorText)")
        let absent = try Program.swiftlet("--disk", "/no/such/file", "--", "true")
        #expect(absent.status == 125)
        #expect(
            absent.errorText.contains("drive disk0: /no/such/file cannot be opened: No such file"),
            "\(absent.errorText)")
    }
}

/// An image of a test's own, gone with this value.
final class Image {
    let path: String

    /// Asks the script, which makes the image if it is not in the cache.
    static let isAvailable: Bool = {
        let place = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: place) }
        let made = try? Program.run(
            Checkout.path("Guest/images/debian.sh"), ["erofs", place.path], seconds: 1200)
        // Any status but this one is a fault of ours, which the tests are to show.
        return made?.status != 69
    }()

    init(_ kind: String) throws {
        path = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString).path
        let made = try Program.run(
            Checkout.path("Guest/images/debian.sh"), [kind, path], seconds: 1200)
        try #require(made.status == 0, "\(made.errorText)")
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Checks an ext4 file system that is not mounted.
    func check() throws {
        let result = try Program.run("e2fsck", ["-f", "-n", path])
        #expect(result.status == 0, "\(result.outputText) \(result.errorText)")
        #expect(!result.errorText.contains("recovering journal"))
    }
}
