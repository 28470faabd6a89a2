// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Detached machines without a command of their own.
@Suite(.serialized) struct IdleMachineTests {
    private func idle(_ options: String...) throws -> DetachedHost {
        let host = try DetachedHost()
        let made = try host.start(
            ["run", "--detach", "--name", "box", "--engine", "soft"] + options
        ).end()
        #expect(made.status == 0, "\(made.errorText)")
        #expect(made.outputText.contains(#/^[0-9a-f]{12}\n$/#))
        return host
    }

    @Test func `A machine without a command takes those of exec until it is stopped`() throws {
        let host = try idle()
        let line = try #require(try host.done("ps").split(separator: "\n").last)
        #expect(line.contains(" box "))
        #expect(line.contains(" running "))
        #expect(line.hasSuffix(" -"))
        #expect(try host.json(["inspect", "box"])[0]["command"] as? [String] == [])

        try host.done("exec", "box", "sh", "-c", "echo $((6 * 7)) > /tmp/answer")
        #expect(try host.done("exec", "box", "cat", "/tmp/answer") == "42\n")
        let time = try host.done("exec", "box", "date", "+%s").trimmingCharacters(in: .newlines)
        #expect(abs((Double(time) ?? 0) - Date().timeIntervalSince1970) < 120)
        #expect(try host.done("logs", "box") == "")

        // Signals for a command have nobody to go to.
        try host.done("kill", "--signal", "USR1", "box")
        #expect(try host.done("exec", "box", "cat", "/tmp/answer") == "42\n")
        #expect(try host.done("pause", "box") == "box\n")
        #expect(try host.done("resume", "box") == "box\n")

        // A command of exec's ends with the machine.
        let command = try host.start(["exec", "box", "sh", "-c", "echo up; sleep 600"])
        #expect(RunningProgram.wait(seconds: 60) { command.outputText == "up\n" })
        #expect(try host.done("stop", "box") == "box\n")
        #expect(try host.done("wait", "box") == "0\n")
        #expect(try command.end(seconds: 30).status != 0)
        try host.done("rm", "box")
        #expect(host.remains == [])
        #expect(host.processes == [])
    }

    @Test func `A guest that switches its machine off ends it with 0`() throws {
        // Without the option our kernel is started without ACPI, and knows no such thing.
        let host = try idle("--kernel", Built.file("bin/guest/vmlinux"))
        _ = try host.swiftlet("exec", "box", "poweroff", "-f")
        #expect(try host.done("wait", "box") == "0\n")
        try host.done("rm", "box")
    }

    @Test func `It has a deadline and an end by force as others have`() throws {
        let host = try idle("--timeout", "10s")
        #expect(try host.done("wait", "box") == "124\n")
        try host.done("rm", "box")
        try host.done("run", "-d", "--name", "box", "--engine", "soft")
        try host.done("kill", "box")
        #expect(try host.done("wait", "box") == "137\n")
        try host.done("rm", "box")
    }

    @Test(arguments: [["-t"], ["-i"], ["-e", "A=b"], ["-w", "/tmp"]])
    func `Options about a command are refused without one`(_ options: [String]) throws {
        let host = try DetachedHost()
        let refused = try host.start(["run", "-d"] + options).end()
        #expect(refused.status == 125, "\(refused.status)")
        #expect(
            refused.errorText.contains("A machine without a command has no use for --"),
            "\(refused.errorText)")
        #expect(host.remains == [])
    }

    @Test func `In the foreground there must be a command`() throws {
        let refused = try Program.swiftlet("--engine", "soft")
        #expect(refused.status == 125)
        #expect(refused.errorText.contains("What is to be run?"))
    }
}
