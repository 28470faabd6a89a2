// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a run leaves behind: nothing, but a note of what KVM is on this host.
@Suite(.serialized) struct RemainsTests {
    @Test(arguments: [SIGKILL, SIGTERM])
    func `No process and no file outlives the program`(_ signal: Int32) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-remains-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let own = folder.appending(path: "own")
        try FileManager.default.createDirectory(at: own, withIntermediateDirectories: false)

        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            ["run", "--", "sh", "-c", "echo ready; while true; do sleep 1; done"],
            environment: ["TMPDIR": folder.path, "XDG_RUNTIME_DIR": own.path])
        #expect(RunningProgram.wait(seconds: 60) { running.outputText == "ready\n" })
        let monitors = HostProcess.children(of: running.identifier)
        #expect(!monitors.isEmpty)
        running.send(signal)
        _ = try running.end(seconds: 30)

        #expect(RunningProgram.wait(seconds: 10) { !monitors.contains(where: HostProcess.isAlive) })
        let names = try FileManager.default.subpathsOfDirectory(atPath: folder.path).sorted()
        // The monitor clears its environment, and knows by then what that has said.
        let hasKVM = unsafe access("/dev/kvm", R_OK | W_OK) == 0
        #expect(names == (hasKVM ? ["own", "own/swiftlet", "own/swiftlet/kvm-host"] : ["own"]))
    }
}
