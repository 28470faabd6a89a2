// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// What a run leaves behind: nothing.
@Suite(.serialized) struct RemainsTests {
    /// Children of `process`, from `/proc`.
    private func children(of process: Int32) -> [Int32] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task"))
        return (tasks ?? []).flatMap { task -> [Int32] in
            let list = try? String(
                contentsOfFile: "/proc/\(process)/task/\(task)/children", encoding: .utf8)
            return (list ?? "").split(separator: " ").compactMap { Int32($0) }
        }
    }

    private func isAlive(_ process: Int32) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8),
            let state = status.split(separator: ")").last?.split(separator: " ").first
        else { return false }
        return state != "Z" && state != "X"
    }

    @Test(arguments: [SIGKILL, SIGTERM])
    func `No process and no file outlives the program`(_ signal: Int32) throws {
        let folder = FileManager.default.temporaryDirectory
            .appending(path: "swiftlet-remains-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }

        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            ["run", "--", "sh", "-c", "echo ready; while true; do sleep 1; done"],
            environment: ["TMPDIR": folder.path, "XDG_RUNTIME_DIR": folder.path])
        #expect(RunningProgram.wait(seconds: 60) { running.outputText == "ready\n" })
        let monitors = children(of: running.identifier)
        #expect(!monitors.isEmpty)
        running.send(signal)
        _ = try running.end(seconds: 30)

        #expect(RunningProgram.wait(seconds: 10) { !monitors.contains(where: isAlive) })
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
    }
}
