// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Machine
import Support
import Testing

/// A machine in this process, whose devices are paused while its guest keeps its disk busy.
@Suite(.serialized, .enabled(if: Image.isAvailable, "debootstrap cannot make an image here"))
struct DiskPauseTests {
    /// What the guest does as its only process; the console says how it went.
    static let script = """
        mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp; cd /tmp;
        echo begin;
        fio --name=p --filename=/dev/vdb --size=32M --rw=randrw --bs=4k-32k --direct=1
        --ioengine=libaio --iodepth=16 --verify=crc32c --verify_fatal=1 --time_based --runtime=8
        --output=/tmp/log && echo verified; sync; sha256sum /dev/vdb
        """

    @Test(arguments: [false, true])
    func `Fifty pauses under load lose no request and repeat none`(isAsync: Bool) throws {
        let image = try Image("ext4")
        let disk = try ScratchFile(byteCount: 32 << 20)
        let console = try ScratchFile()
        let output = try FileDescriptor.open(console.path, flags: FileSystem.appending)
        let words = Self.script.split(separator: "\n").joined(separator: " ")
        var configuration = MachineConfiguration(
            kernelPath: try Built.file("bin/guest/vmlinux"),
            commandLine: "console=ttyS0 quiet reboot=k panic=-1 root=/dev/vda ro init=/bin/sh"
                + " -- -c \"\(words)\"")
        configuration.memoryBytes = 256 << 20
        configuration.engine = .soft
        configuration.serialOutput = output.rawValue
        var root = MachineConfiguration.Drive(id: "root", path: image.path)
        root.isReadOnly = true
        var load = MachineConfiguration.Drive(id: "load", path: disk.path)
        load.isAsync = isAsync
        load.isWriteback = true
        configuration.drives = [root, load]
        let machine = try Machine(configuration)
        let hasEnded = Flag()
        let thread = try Linux.Thread(name: "machine") {
            _ = machine.run()
            hasEnded.set()
        }
        func text() -> String {
            String(decoding: (try? console.read(count: 1 << 16)) ?? [], as: UTF8.self)
        }
        #expect(RunningProgram.wait(seconds: 120) { text().contains("begin") || hasEnded.isSet })
        for _ in 0..<50 where !hasEnded.isSet {
            machine.pauseDevices()
            usleep(10_000)
            try machine.resumeDevices()
            usleep(50_000)
        }
        #expect(RunningProgram.wait(seconds: 300) { hasEnded.isSet })
        thread.join()
        let outside = try Program.run("sha256sum", [disk.path])
        let digest = try #require(outside.outputText.split(separator: " ").first)
        #expect(text().contains("verified"), "\(text())")
        #expect(text().contains("\(digest)  /dev/vdb"), "\(text()) \(digest)")
    }
}
