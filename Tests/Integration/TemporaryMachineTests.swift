// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet run --rm`.
@Suite(.serialized) struct TemporaryMachineTests {
    private func start(_ host: DetachedHost, _ script: String) throws {
        try host.done(
            "run", "--detach", "--rm", "--name", "job", "--engine", "soft", "--", "sh", "-c",
            script)
    }

    /// Until nothing is left, without a look that could take it away.
    private func expectNothing(
        _ host: DetachedHost, at location: SourceLocation = #_sourceLocation
    ) {
        let isGone = RunningProgram.wait(seconds: 60) {
            host.remains.isEmpty && host.processes.isEmpty
        }
        #expect(isGone, "\(host.remains) \(host.processes)", sourceLocation: location)
    }

    @Test func `A machine that ends by itself is gone`() throws {
        let host = try DetachedHost()
        try start(host, "exit 3")
        expectNothing(host)
        #expect(try host.done("ps", "--all", "--quiet") == "")
    }

    @Test func `Who waits for it and who follows its log still hear all`() throws {
        let host = try DetachedHost()
        try start(host, "while [ ! -e /go ]; do sleep 0.1; done; echo last; exit 7")
        #expect(try host.json(["inspect", "--json", "job"])[0]["temporary"] as? Bool == true)
        let waiter = try host.start(["wait", "job"])
        let other = try host.start(["wait", "--json", "job"])
        let follower = try host.start(["logs", "--follow", "job"])
        // Each of the three holds it by now.
        let held = RunningProgram.wait(seconds: 30) {
            [waiter, other, follower].allSatisfy { reader in
                let descriptors = "/proc/\(reader.identifier)/fd"
                let names = try? FileManager.default.contentsOfDirectory(atPath: descriptors)
                return (names ?? []).contains {
                    let target = try? FileManager.default.destinationOfSymbolicLink(
                        atPath: "\(descriptors)/\($0)")
                    return target?.hasSuffix("/readers") == true
                }
            }
        }
        #expect(held)
        try host.done("exec", "job", "touch", "/go")
        #expect(try waiter.end(seconds: 60).outputText == "7\n")
        #expect(try other.end(seconds: 60).outputText.contains("\"status\":7"))
        let log = try follower.end(seconds: 60)
        #expect(log.status == 0)
        #expect(log.outputText == "last\n")
        expectNothing(host)
    }

    @Test(arguments: [["stop"], ["kill"], ["rm", "--force"]])
    func `One that is ended is gone`(_ verb: [String]) throws {
        let host = try DetachedHost()
        try start(host, "trap 'exit 0' TERM; while true; do sleep 0.1; done")
        let result = try Program.run(
            try Built.file("bin/swiftlet"), verb + ["job"], environment: host.environment)
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.outputText == "job\n")
        expectNothing(host)
    }

    @Test func `One whose supervisor is killed goes with the next look`() throws {
        let host = try DetachedHost()
        try start(host, "sleep 600")
        for process in host.processes { kill(process, SIGKILL) }
        #expect(RunningProgram.wait(seconds: 30) { host.processes.isEmpty })
        #expect(host.remains.count == 1)
        #expect(try host.done("ps", "--all", "--quiet") == "")
        #expect(host.remains == [])
    }

    @Test func `Without detach there is nothing to remove, as ever`() throws {
        let host = try DetachedHost()
        let result = try host.swiftlet("run", "--rm", "--engine", "soft", "--", "echo", "hello")
        #expect(result.status == 0)
        #expect(result.outputText == "hello\n")
        #expect(host.remains == [])
    }
}
