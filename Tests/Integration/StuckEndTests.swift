// SPDX-License-Identifier: Apache-2.0
import Foundation
import Support
import Testing

/// A monitor that has something to wait for as it ends.
@Suite struct StuckEndTests {
    /// A monitor without an API that waits, as it ends, until somebody reads its report, which nobody
    /// does. It answers signals once this returns.
    private func unread(_ kernel: LongModeKernel, in folder: URL) throws -> RunningProgram {
        let config = """
            {"boot-source":{"kernel_image_path":"\(kernel.path)"},
            "swiftlet":{"report":3,"console":{}}}
            """
        try Data(config.utf8).write(to: folder.appending(path: "vm.json"))
        let script = """
            cd "$1" && mkfifo pipe && exec 3<>pipe && shift
            dd if=/dev/zero of=pipe bs=4096 oflag=nonblock 2>/dev/null
            exec "$@"
            """
        let monitor = try RunningProgram(
            "sh",
            [
                "-c", script, "-", folder.path, try Built.file("bin/swiftlet-vmm"), "--no-api",
                "--engine", "soft", "--config-file", "vm.json",
            ])
        let status = "/proc/\(monitor.identifier)/status"
        let answers = RunningProgram.wait(seconds: 30) {
            guard let text = try? String(contentsOfFile: status, encoding: .utf8),
                text.contains("swiftlet-vmm"), let line = text.firstMatch(of: #/SigCgt:\s+(\w+)/#)
            else { return false }
            return (UInt64(line.1, radix: 16) ?? 0) >> (SIGTERM - 1) & 1 == 1
        }
        try #require(answers)
        return monitor
    }

    @Test(
        arguments: [LongModeKernel.busy, LongModeKernel.resetting], [(SIGTERM, 0), (SIGHUP, 156)])
    func `A monitor that cannot end in order ends a little after the signal`(
        _ code: [UInt8], _ end: (signal: Int32, status: Int)
    ) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-unread-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let kernel = try LongModeKernel(code)
        let monitor = try unread(kernel, in: folder)
        // The guest that resets has done so, and the monitor waits by itself.
        usleep(500_000)
        let sent = ContinuousClock.now
        monitor.send(end.signal)
        let result = try monitor.end(seconds: 30)
        #expect(result.status == end.status, "\(result.errorText)")
        #expect(ContinuousClock.now - sent > .seconds(2))
        #expect(result.errorText.contains("was told to end and has not in time\n"))
    }
}
