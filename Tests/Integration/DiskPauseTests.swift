// SPDX-License-Identifier: Apache-2.0
import Foundation
import Linux
import Machine
import Support
import Testing

/// A machine in this process that is paused and resumed, processors and devices, while its guest
/// keeps its disk busy.
@Suite(.serialized, .enabled(if: Image.isAvailable, "debootstrap cannot make an image here"))
struct DiskPauseTests {
    /// SWIFTLET_FIO_SECONDS: how long each engine is under load, at least 8.
    static let seconds = max(
        8, ProcessInfo.processInfo.environment["SWIFTLET_FIO_SECONDS"].flatMap(Int.init) ?? 8)
    static let pauses = 50

    /// What the guest does as its only process; the console says how it went.
    static let script = """
        mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp; cd /tmp;
        echo begin;
        fio --name=p --filename=/dev/vdb --size=32M --rw=randrw --bs=4k-32k --direct=1
        --ioengine=libaio --iodepth=16 --verify=crc32c --verify_fatal=1 --time_based
        --runtime=\(seconds)
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
        let loop = try EventLoop()
        let machine = try Machine(configuration, loop: loop)
        func text() -> String {
            String(decoding: (try? console.read(count: 1 << 16)) ?? [], as: UTF8.self)
        }
        machine.start()
        _ = Self.serve(loop, seconds: 120) { !text().contains("begin") }
        try #require(text().contains("begin"), "\(text())")
        // They are over before the load is.
        let interval = Double(Self.seconds) * 0.6 / Double(Self.pauses)
        var pauses = 0
        for _ in 0..<Self.pauses where Self.serve(loop, seconds: interval, while: { true }) {
            try machine.pause()
            let before = try #require(machine.timeline.instructions)
            usleep(10_000)
            #expect(machine.timeline.instructions == before, "a processor has gone on")
            try machine.resume()
            pauses += 1
        }
        #expect(pauses == Self.pauses, "the machine has ended: \(text())")
        #expect(!text().contains("verified"), "the load was over before the pauses")
        let isLate = Self.serve(loop, seconds: 300 + Double(Self.seconds)) { true }
        #expect(!isLate, "the machine does not end: \(text())")
        loop.stop()
        _ = try TestThread.call("the end of a machine") { machine.finish() }
        let outside = try Program.run("sha256sum", [disk.path])
        let digest = try #require(outside.outputText.split(separator: " ").first)
        #expect(text().contains("verified"), "\(text())")
        #expect(text().contains("\(digest)  /dev/vdb"), "\(text()) \(digest)")
    }

    /// Serves the machine's devices for so long, or as long as `goesOn`; false once it has ended.
    private static func serve(
        _ loop: EventLoop, seconds: Double, while goesOn: () -> Bool
    ) -> Bool {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < deadline, goesOn() {
            guard loop.serveOnce(milliseconds: 5) else { return false }
        }
        return true
    }
}
