// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

/// Guest and host talk over TAP, in a network namespace that each test makes for itself.
///
/// They need root, /dev/net/tun and `ip` (iproute2); elsewhere they are skipped.
@Suite(
    .serialized,
    .enabled(if: NetworkNamespace.isPossible, "needs root, /dev/net/tun and ip of iproute2"))
struct NetworkTests {
    /// Mebibytes of each transfer; `SWIFTLET_NET_MIB` asks for more.
    static var mebibytes: Int {
        ProcessInfo.processInfo.environment["SWIFTLET_NET_MIB"].flatMap(Int.init) ?? 4
    }

    static let host4 = "172.30.0.1"
    static let guest4 = "172.30.0.2"
    static let host6 = "fd73:7769:6674::1"
    static let guest6 = "fd73:7769:6674::2"

    @Test func `A machine with --net tap reaches its host, is reached, and leaves nothing`() throws
    {
        let space = try NetworkNamespace()
        let machine = try space.start(
            "--net", "tap", "--", "sh", "-c",
            """
            ping -c 2 -q \(Self.host4) > /dev/null && echo four
            ping6 -c 2 -q \(Self.host6) > /dev/null && echo six
            ip route | grep -o 'default via [0-9.]*'
            echo ready
            sleep 1000
            """)
        let isReady = RunningProgram.wait(seconds: 100) { machine.outputText.hasSuffix("ready\n") }
        #expect(machine.outputText == "four\nsix\ndefault via \(Self.host4)\nready\n")
        try #require(isReady, "\(String(decoding: machine.error, as: UTF8.self))")
        for address in [Self.guest4, Self.guest6] {
            let result = try space.run("/bin/busybox", "ping", "-c", "2", "-q", address)
            #expect(result.status == 0, "\(address): \(result.outputText)\(result.errorText)")
        }
        machine.send(SIGTERM)
        _ = try machine.end()
        #expect(try space.run("ip", "link", "show", "swiftlet0").status != 0)
    }

    @Test func `Bytes go both ways by TCP, over IPv4 and IPv6, with their sums`() throws {
        let space = try NetworkNamespace()
        let bytes = Self.mebibytes << 20
        let random = try #require(
            try FileHandle(forReadingFrom: URL(filePath: "/dev/urandom")).read(upToCount: bytes))
        try random.write(to: space.folder.appending(path: "down"))
        let down = try space.sum("/bin/busybox", "cat", space.folder.path + "/down")
        let server = try RunningProgram(
            "ip",
            [
                "netns", "exec", space.name, "/bin/busybox", "httpd", "-f", "-p", "8000", "-h",
                space.folder.path,
            ])
        let machine = try space.start(
            "--net", "tap", "--memory", "768M", "--", "sh", "-c",
            """
            head -c \(bytes) /dev/urandom > /tmp/up && md5sum < /tmp/up
            httpd -p 8000 -h /tmp
            wget -q -O - http://\(Self.host4):8000/down | md5sum
            wget -q -O - http://[\(Self.host6)]:8000/down | md5sum
            echo ready
            sleep 1000
            """)
        let isReady = RunningProgram.wait(seconds: 600) { machine.outputText.hasSuffix("ready\n") }
        try #require(isReady, "\(String(decoding: machine.error, as: UTF8.self))")
        let sums = machine.outputText.split(separator: "\n").map { $0.prefix(32) }
        try #require(sums.count == 4, "\(machine.outputText)")
        #expect(sums[1] == down.prefix(32), "from the host by IPv4")
        #expect(sums[2] == down.prefix(32), "from the host by IPv6")
        for address in [Self.guest4, "[\(Self.guest6)]"] {
            let sum = try space.sum(
                "/bin/busybox", "wget", "-q", "-O", "-", "http://\(address):8000/up")
            #expect(sum.prefix(32) == sums[0], "from the guest by \(address)")
        }
        machine.send(SIGTERM)
        server.send(SIGTERM)
        _ = try machine.end()
    }

    @Test(arguments: [[], ["vnet_hdr", "multi_queue"]])
    func `A TAP device of 9,000 bytes that is there already carries such packets whole`(
        _ options: [String]
    ) throws {
        let space = try NetworkNamespace()
        try space.set(["tuntap", "add", "dev", "big", "mode", "tap"] + options)
        try space.set(["link", "set", "big", "mtu", "9000", "up"])
        try space.set(["address", "add", "10.9.0.1/24", "dev", "big"])
        let result = try space.start(
            "--net", "tap=big", "--cpus", "2", "--append", "swiftlet.net=10.9.0.2/24", "--", "sh",
            "-c",
            """
            cat /sys/class/net/eth0/mtu
            ping -c 3 -q -s 8972 10.9.0.1 > /dev/null && echo whole
            awk '/^Ip:/ { if (n) print $n; else for (i = 1; i <= NF; i++) \
            if ($i == "FragCreates") n = i }' /proc/net/snmp
            ls /sys/class/net/eth0/queues | wc -l
            """
        ).end()
        let queues = options.isEmpty ? 2 : 4
        #expect(result.outputText == "9000\nwhole\n0\n\(queues)\n", "\(result.errorText)")
        // It was there before, and stays.
        #expect(try space.run("ip", "link", "show", "big").status == 0)
    }

    @Test func `The guest leaves checksums and segments to the host, and the host to it`() throws {
        let space = try NetworkNamespace()
        let result = try space.start(
            "--net", "tap", "--", "sh", "-c",
            "cat /sys/bus/virtio/devices/virtio*/features"
        ).end()
        // Bits 0, 1, 7, 8, 11, 12 and 15 of the network device: checksums, TCP segments, merging.
        let devices = result.outputText.split(separator: "\n")
        let network = devices.contains { bits in
            let bits = Array(bits)
            return bits.count == 64
                && [0, 1, 7, 8, 11, 12, 15].allSatisfy { bits[$0] == "1" }
        }
        #expect(network, "\(result.outputText)\(result.errorText)")
    }

    @Test(arguments: [
        (["tap=nosuch0"], "there is no network interface 'nosuch0'"),
        (["tap=a/b"], "'a/b' is no name of a network interface"),
        (["tap=lo"], "the interface 'lo' cannot be used as a TAP device"),
    ])
    func `A device that cannot be is refused with one sentence`(
        _ options: [String], _ sentence: String
    ) throws {
        let space = try NetworkNamespace()
        let result = try space.start(["--net"] + options + ["--", "true"]).end()
        #expect(result.status == 125)
        #expect(result.errorText.contains(sentence), "\(result.errorText)")
        #expect(result.errorText.split(separator: "\n").count == 1, "\(result.errorText)")
    }
}

/// A network of its own, with a folder for files, that goes with this.
final class NetworkNamespace {
    static var isPossible: Bool {
        let hasIP = ["/sbin/ip", "/usr/sbin/ip", "/bin/ip", "/usr/bin/ip"]
            .contains { FileManager.default.isExecutableFile(atPath: $0) }
        return geteuid() == 0 && hasIP
            && FileManager.default.isReadableFile(atPath: "/dev/net/tun")
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    let name = "swiftlet-test-" + String(UInt32.random(in: 0 ... .max), radix: 16)
    let folder: URL

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: name)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let made = try Program.run("ip", ["netns", "add", name])
        guard made.status == 0 else { throw Failure(description: made.errorText) }
        try set(["link", "set", "lo", "up"])
    }

    deinit {
        _ = try? Program.run("ip", ["netns", "delete", name])
        try? FileManager.default.removeItem(at: folder)
    }

    /// Does something with `ip` to the namespace.
    func set(_ words: [String]) throws {
        let result = try Program.run("ip", ["-n", name] + words)
        guard result.status == 0 else { throw Failure(description: result.errorText) }
    }

    /// Runs a program in the namespace.
    func run(_ words: String..., seconds: Double = 300) throws -> Program {
        try Program.run("ip", ["netns", "exec", name] + words, seconds: seconds)
    }

    /// The MD5 sum of what a program writes.
    func sum(_ words: String...) throws -> String {
        let command = words.map { "'\($0)'" }.joined(separator: " ") + " | md5sum"
        return try run("sh", "-c", command).outputText
    }

    /// Starts `bin/swiftlet run` in the namespace.
    func start(_ words: String...) throws -> RunningProgram { try start(words) }

    func start(_ words: [String]) throws -> RunningProgram {
        try RunningProgram(
            "ip", ["netns", "exec", name, try Built.file("bin/swiftlet"), "run"] + words)
    }
}
