// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet logs --follow`: nothing is missed, and to wait costs nothing.
@Suite(.serialized) struct FollowTests {
    /// How often a process has gone to sleep so far, of itself or not.
    private func switches(_ process: RunningProgram) throws -> Int {
        let path = "/proc/\(process.identifier)/status"
        let status = try String(contentsOfFile: path, encoding: .utf8)
        return status.split(separator: "\n").filter { $0.contains("ctxt_switches:") }
            .compactMap { $0.split(separator: "\t").last.flatMap { Int($0) } }.reduce(0, +)
    }

    private func machine(_ script: String) throws -> DetachedHost {
        let host = try DetachedHost()
        try host.done("run", "-d", "--name", "web", "--engine", "soft", "sh", "-c", script)
        return host
    }

    @Test func `A follower of a machine that says nothing sleeps, and hears of the end`() throws {
        let host = try machine(
            "trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 1; done")
        let follower = try host.start(["logs", "-f", "web"])
        let isReady = RunningProgram.wait(seconds: 60) { follower.outputText == "ready\n" }
        #expect(isReady, "\(follower.outputText)")
        // It may still be on its way to sleep.
        usleep(500_000)
        let before = try switches(follower)
        usleep(2_000_000)
        #expect(try switches(follower) == before)
        let start = ContinuousClock.now
        try host.done("stop", "web")
        let end = try follower.end(seconds: 30)
        #expect(end.status == 0)
        #expect(end.outputText == "ready\nbye\n")
        #expect(ContinuousClock.now - start < .seconds(10))
    }

    @Test func `A follower is told of the supervisor's sudden end`() throws {
        let host = try machine("echo ready; sleep 600")
        let follower = try host.start(["logs", "-f", "web"])
        #expect(RunningProgram.wait(seconds: 60) { follower.outputText == "ready\n" })
        let supervisors = host.processes.filter { $0 != follower.identifier }
        for process in supervisors { kill(process, SIGKILL) }
        #expect(try follower.end(seconds: 10).status == 0)
        try host.done("rm", "web")
    }

    @Test func `A follower whose reader goes away goes too`() throws {
        let host = try machine("echo ready; sleep 600")
        let script = "\(try Built.file("bin/swiftlet")) logs -f web | head -n 1"
        let start = ContinuousClock.now
        let piped = try Program.run(
            "sh", ["-c", script], environment: host.environment, seconds: 30)
        #expect(piped.outputText == "ready\n")
        #expect(ContinuousClock.now - start < .seconds(20))
        try host.done("rm", "-f", "web")
    }

    @Test func `All of what is written in haste comes`() throws {
        let host = try machine("sleep 2; seq 1 300000; echo end")
        let follower = try host.start(["logs", "-f", "web"])
        #expect(try follower.end(seconds: 120).status == 0)
        let lines = follower.outputText.split(separator: "\n")
        #expect(lines.count == 300_001)
        #expect(lines.last == "end")
        try host.done("rm", "web")
    }
}
