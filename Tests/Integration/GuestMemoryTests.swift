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

    /// What a guest of 256 MiB does that fills half of its memory and lets go of it.
    static let burst = """
        dd if=/dev/zero of=/tmp/big bs=1M count=120 2> /dev/null; rm /tmp/big; echo freed
        """

    @Test func `Memory in the balloon is the host's, until the guest has it back`() throws {
        let guest = try BalloonGuest(Self.burst, balloon: #""stats_polling_interval_s": 1"#)
        try guest.waitForLine("freed")
        let full = guest.resident
        #expect((120..<400).contains(full / Self.mebibyte))
        try guest.ask("PATCH", "/balloon", #"{"amount_mib": 140}"#)
        let isBack = guest.waitForResident(below: full - 90 * Self.mebibyte)
        #expect(isBack, "of \(full) bytes \(guest.resident) are left")
        #expect(guest.waitForStatistics { $0["actual_mib"] as? Int == 140 })
        try guest.ask("PATCH", "/balloon", #"{"amount_mib": 0}"#)
        let hasIt = guest.waitForStatistics {
            $0["actual_mib"] as? Int == 0 && $0["free_memory"] as? Int ?? 0 > 180 * Self.mebibyte
        }
        #expect(hasIt)
    }

    @Test func `What a guest names free in a run of hints goes back to the host`() throws {
        let guest = try BalloonGuest(Self.burst, balloon: #""free_page_hinting": true"#)
        try guest.waitForLine("freed")
        let full = guest.resident
        #expect((120..<400).contains(full / Self.mebibyte))
        try guest.ask("PATCH", "/balloon/hinting/start", #"{"acknowledge_on_stop": true}"#)
        // The guest names large pieces only, so not all of it.
        let isBack = guest.waitForResident(below: full - 60 * Self.mebibyte)
        #expect(isBack, "of \(full) bytes \(guest.resident) are left")
        let isOver = RunningProgram.wait(seconds: 60) {
            let status = try? guest.client.ask("GET", "/balloon/hinting/status").json
            return status?["guest_cmd"] as? Int == 0 && status?["host_cmd"] as? Int == 1
        }
        #expect(isOver, "the guest does not say that it has named all")
    }

    @Test(arguments: [true, false])
    func `A guest that needs its memory has it back from a balloon that may give it, and only then`(
        mayDeflate: Bool
    ) throws {
        let script = """
            echo ready;
            while [ $(sed -n 's/MemFree: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) -gt 50000 ]; do
            sleep 0.1; done;
            echo small; dd if=/dev/zero of=/tmp/big bs=1M count=100 2> /dev/null; md5sum /tmp/big
            """
        let guest = try BalloonGuest(script, balloon: #""deflate_on_oom": \#(mayDeflate)"#)
        try guest.waitForLine("ready")
        try guest.ask("PATCH", "/balloon", #"{"amount_mib": 200}"#)
        try guest.waitForLine("small")
        if mayDeflate {
            // A hundred MiB of zeroes, where there were less than 50.
            try guest.waitForLine("2f282b84e7e608d5852449ed940bfc51  /tmp/big")
            #expect(!guest.console.contains("Out of memory"), "\(guest.console)")
        } else {
            try guest.waitForLine("Out of memory")
        }
    }

    @Test func `A guest plugs what the host offers, and uses it`() throws {
        let script = """
            for turn in $(seq 200); do
                total=$(sed -n 's/MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo)
                [ $total -gt 340000 ] && break
                sleep 0.1
            done
            mkdir /more && mount -t tmpfs more /more \
            && dd if=/dev/zero of=/more/big bs=1M count=150 2> /dev/null && md5sum /more/big
            """
        let result = try Program.swiftlet(
            "--engine", "soft", "--memory", "128M", "--hotplug", "512M:plug=256M", "--", "sh", "-c",
            script)
        // 150 MiB of zeroes, more than the guest began with; not in ramfs, whose pages never move.
        #expect(
            result.outputText == "3d3be108b6b902c41404da7adff4a8da  /more/big\n",
            "\(result.errorText)")
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

/// A Linux guest of 256 MiB on the software engine whose only process is a script, behind the API of its
/// monitor.
final class BalloonGuest {
    let client: APIClient
    private let monitor: APIMonitor

    /// - Parameter balloon: What its configuration says beside its size, which is 0.
    init(_ script: String, balloon: String) throws {
        monitor = try APIMonitor(["--level", "Off"])
        client = try monitor.client()
        let words =
            """
            /bin/busybox --install -s /bin; mkdir /proc /tmp; mount -t proc proc /proc;
            mount -t devtmpfs dev /dev; mount -t tmpfs -o size=100% tmp /tmp;
            """ + " " + script + "; sleep 10000"
        let source: [String: String] = [
            "kernel_image_path": try Built.file("bin/guest/vmlinux"),
            "initrd_path": try Built.file("bin/guest/initramfs.cpio"),
            "boot_args": "console=ttyS0 quiet acpi=off reboot=k panic=-1 rootfstype=ramfs "
                + "rdinit=/bin/busybox -- sh -c \"\(words.replacing("\n", with: " "))\"",
        ]
        let body = try JSONSerialization.data(withJSONObject: source)
        try ask("PUT", "/boot-source", String(decoding: body, as: UTF8.self))
        try ask("PUT", "/machine-config", #"{"vcpu_count": 1, "mem_size_mib": 256}"#)
        let base = balloon.contains("deflate_on_oom") ? "" : #""deflate_on_oom": false, "#
        try ask("PUT", "/balloon", #"{"amount_mib": 0, \#(base)\#(balloon)}"#)
        try ask("PUT", "/actions", #"{"action_type": "InstanceStart"}"#)
    }

    func ask(_ method: String, _ path: String, _ body: String) throws {
        let reply = try client.ask(method, path, body)
        try #require(reply.status < 300, "\(path): \(reply)")
    }

    var console: String { monitor.process.outputText }
    /// Bytes of the host's memory that the monitor has; without end if it has ended.
    var resident: Int { (try? monitor.residentSize()).map { $0 << 10 } ?? .max }

    func waitForLine(_ line: String, at location: SourceLocation = #_sourceLocation) throws {
        let isThere = RunningProgram.wait(seconds: 90) { console.contains(line) }
        try #require(isThere, "\(line): \(console.suffix(1000))", sourceLocation: location)
    }

    func waitForResident(below count: Int) -> Bool {
        RunningProgram.wait(seconds: 60) { resident < count }
    }

    /// Waits until what the balloon says of the guest's memory is as wanted.
    func waitForStatistics(_ isWanted: ([String: Any]) -> Bool) -> Bool {
        RunningProgram.wait(seconds: 60) {
            guard let reply = try? client.ask("GET", "/balloon/statistics") else { return false }
            return isWanted(reply.json)
        }
    }
}
