// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Memory that a Linux guest gives back and is given.
@Suite(.serialized) struct GuestMemoryTests {
    static let mebibyte = 1 << 20

    @Test func `What a guest frees goes back to the host`() throws {
        let script = """
            dd if=/dev/zero of=/big bs=1M count=300 2> /dev/null && echo full && sleep 3 \
            && rm /big && echo freed && sleep 100
            """
        let running = try RunningProgram(
            try Built.file("bin/swiftlet"),
            [
                "run", "--engine", "soft", "--memory", "512M", "--balloon", "0:report", "--", "sh",
                "-c", script,
            ])
        var full = 0
        var monitor: Int32?
        #expect(
            RunningProgram.wait(seconds: 60) {
                monitor = monitor ?? ProcessTable.children(of: running.identifier).first
                full = max(full, monitor.flatMap(ProcessTable.residentBytes) ?? 0)
                return running.outputText.hasPrefix("full\n")
            })
        let process = try #require(monitor)
        #expect(full > 300 * Self.mebibyte)
        var least = full
        let isBack = RunningProgram.wait(seconds: 60) {
            least = min(least, ProcessTable.residentBytes(of: process) ?? full)
            return least < full - 280 * Self.mebibyte
        }
        #expect(isBack, "of \(full) bytes \(least) are left")
        #expect(running.outputText == "full\nfreed\n")
    }

    @Test func `A balloon takes memory from the guest`() throws {
        let script = """
            for turn in $(seq 200); do
                total=$(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
                [ $total -lt 140000 ] && exit 0
                sleep 0.1
            done
            echo $total
            exit 1
            """
        let result = try Program.swiftlet(
            "--engine", "soft", "--memory", "256M", "--balloon", "128M", "--", "sh", "-c", script)
        #expect(result.status == 0, "\(result.outputText)\(result.errorText)")
    }

    @Test func `A guest plugs what the host offers, and uses it`() throws {
        let script = """
            for turn in $(seq 200); do
                total=$(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
                [ $total -gt 340000 ] && break
                sleep 0.1
            done
            dd if=/dev/zero of=/big bs=1M count=220 2> /dev/null && md5sum /big
            """
        let result = try Program.swiftlet(
            "--engine", "soft", "--memory", "128M", "--hotplug", "512M:plug=256M", "--", "sh", "-c",
            script)
        // 220 MiB of zeroes.
        #expect(
            result.outputText == "33cdf6198f2471c615ee9afe620aa8d6  /big\n", "\(result.errorText)")
    }

    struct Refusal: CustomTestStringConvertible, Sendable {
        let options: [String]
        let text: String

        init(_ options: String..., text: String) {
            self.options = options
            self.text = text
        }

        var testDescription: String { options.joined(separator: " ") }
    }

    @Test(arguments: [
        Refusal("--balloon", "64M:fast", text: "'fast' is nothing that a balloon can do"),
        Refusal("--balloon", "x", text: "'x' is no amount of memory"),
        Refusal("--balloon", "8:stats=0", text: "'stats=0' is nothing that a balloon can do"),
        Refusal(
            "--balloon", "1G", text: "the balloon is to have 1024 MiB, more than the machine's 128"),
        Refusal("--hotplug", "100M", text: "Total size must not be lower than slot size"),
        Refusal("--hotplug", "128M:plug=1M", text: "1 MiB cannot be plugged"),
        Refusal("--hotplug", "128M:plug=1G", text: "pluggable memory has from 0M to 0G"),
        Refusal("--hotplug", "128M:all", text: "'all' says nothing of pluggable memory"),
    ])
    func `A wish that cannot be met is refused in one sentence`(_ refusal: Refusal) throws {
        let result = try Program.run(
            try Built.file("bin/swiftlet"), ["run"] + refusal.options + ["--", "true"])
        #expect(result.status != 0)
        #expect(result.errorText.contains(refusal.text), "\(result.errorText)")
    }
}
