// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// `swiftlet run` from outside, with a real kernel in a real machine.
@Suite(.serialized) struct RunTests {
    struct Ending: CustomTestStringConvertible, Sendable {
        let command: [String]
        let status: Int

        init(_ command: String..., status: Int) {
            self.command = command
            self.status = status
        }

        var testDescription: String { command.joined(separator: " ") }
    }

    @Test func `Streams come apart and the status is the command's`() throws {
        let result = try Program.swiftlet("--", "sh", "-c", "echo out; echo err >&2; exit 7")
        #expect(result.outputText == "out\n")
        #expect(result.errorText == "err\n")
        #expect(result.status == 7)
    }

    @Test(arguments: [
        Ending("true", status: 0),
        Ending("false", status: 1),
        Ending("sh", "-c", "exit 255", status: 255),
        Ending("sh", "-c", "kill -TERM $$", status: 143),
        Ending("sh", "-c", "kill -KILL $$", status: 137),
        Ending("sh", "-c", "kill -SEGV $$", status: 139),
        Ending("/etc/passwd", status: 126),
        Ending("no-such-command", status: 127),
    ])
    func `The status says how the command ended`(_ ending: Ending) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet"), ["run", "--"] + ending.command)
        #expect(result.status == ending.status, "\(result.errorText)")
    }

    @Test func `Eight MiB of random bytes come back through cat as they went`() throws {
        let random = try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom"))
        let bytes = try #require(try random.read(upToCount: 8 << 20))
        try #require(bytes.count == 8 << 20)
        let result = try Program.swiftlet("-i", "--", "cat", input: bytes)
        #expect(result.status == 0, "\(result.errorText)")
        #expect(result.output == bytes)
    }

    @Test(arguments: [1, 2, 4, 8])
    func `The guest has the processors that were asked for`(_ count: Int) throws {
        let result = try Program.swiftlet("--cpus", "\(count)", "--", "nproc")
        #expect(result.outputText == "\(count)\n", "\(result.errorText)")
    }

    @Test func `The timeline counts the instructions from kernel entry to init`() throws {
        let result = try Program.swiftlet("-v", "--engine", "soft", "--", "true")
        let line = result.errorText.firstMatch(
            of: #/kernel entry to init, ([0-9,]+) guest instructions/#)
        let digits = try #require(line, "\(result.errorText)").1.filter(\.isNumber)
        let count = try #require(Int(digits))
        // The promise of SPECIFICATION.md; a kernel that does nothing would not have come so far.
        #expect(1_000_000...15_000_000 ~= count)
    }

    @Test func `Six GiB are six GiB to the guest, across the hole below four`() throws {
        let result = try Program.swiftlet(
            "--memory", "6G", "--", "sed", "-n", "s/MemTotal: *\\([0-9]*\\) kB/\\1/p",
            "/proc/meminfo")
        let kibibytes = try #require(
            Int(result.outputText.trimmingCharacters(in: .newlines)), "\(result.errorText)")
        // The kernel keeps a page descriptor of 64 bytes for each page, and itself, to itself.
        #expect((5_900 << 10)...(6 << 20) ~= kibibytes)
    }

    @Test func `Environment, directory and arguments arrive as given`() throws {
        let result = try Program.swiftlet(
            "-e", "GREETING=hello world", "-w", "/usr", "--", "sh", "-c",
            "echo \"$GREETING\"; pwd; echo \"$1\"", "sh", "a  b")
        #expect(result.outputText == "hello world\n/usr\na  b\n", "\(result.errorText)")
    }

    @Test func `Time that runs out ends the machine with 124`() throws {
        let result = try Program.swiftlet("--timeout", "2s", "--", "sleep", "1000")
        #expect(result.status == 124)
        #expect(2..<30 ~= result.seconds)
    }

    @Test func `SIGTERM reaches the command`() throws {
        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            [
                "run", "--", "sh", "-c",
                "trap 'echo caught; exit 5' TERM; echo ready; while true; do sleep 0.1; done",
            ])
        #expect(RunningProgram.wait(seconds: 60) { running.outputText == "ready\n" })
        running.send(SIGTERM)
        let result = try running.end()
        #expect(result.outputText == "ready\ncaught\n", "\(result.errorText)")
        #expect(result.status == 5)
    }
}
